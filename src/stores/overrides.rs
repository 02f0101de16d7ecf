//! What an operator says of a listing: it stands over every file until it is released.

use crate::error::{Res, StoreError};
use crate::{Audit, Listings};
use domain::{Field, Listing, Value, merge};
use sqlx::PgConnection;

/// A field whose listing and VIN say different things.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Contradiction {
    pub listing_id: i64,
    pub dealer: String,
    pub stock_number: String,
    pub vin: Option<String>,
    pub field: String,
    pub listing_value: String,
    pub vin_value: String,
}

impl Contradiction {
    /// Who says otherwise: a VIN says nothing of titles.
    pub fn source(&self) -> &'static str {
        match self.field.as_str() {
            "title_brand" => "history",
            _ => "vin",
        }
    }
}

pub struct Overrides;

impl Overrides {
    /// The listing as it is then. In the caller's transaction.
    pub async fn put(
        conn: &mut PgConnection,
        listing: i64,
        field: Field,
        value: Value<'_>,
        who: &str,
    ) -> Res<Listing> {
        let said = value.to_string();
        let after = Self::change(conn, listing, |listing| {
            merge::put_right(listing, field, value, who)
        })
        .await?;
        let subject = format!("listing {listing}, {}: {said:?}", field.name());
        Audit::note(conn, who, "override", &subject).await?;
        Ok(after)
    }

    /// The dealer's newest word stands again. `None` when nobody had overridden the field.
    pub async fn release(
        conn: &mut PgConnection,
        listing: i64,
        field: Field,
        who: &str,
    ) -> Res<Option<Listing>> {
        let mut released = false;
        let after = Self::change(conn, listing, |listing| {
            released = merge::release(listing, field);
            released
        })
        .await?;
        if !released {
            return Ok(None);
        }
        let subject = format!("listing {listing}, {}", field.name());
        Audit::note(conn, who, "release", &subject).await?;
        Ok(Some(after))
    }

    async fn change(
        conn: &mut PgConnection,
        id: i64,
        change: impl FnOnce(&mut Listing) -> bool,
    ) -> Res<Listing> {
        Listings::lock(&mut *conn, &[id]).await?;
        let mut listing = Listings::get(&mut *conn, id).await?;
        if change(&mut listing) {
            Listings::update(&mut *conn, std::slice::from_ref(&listing), None).await?;
        }
        Listings::get(conn, id).await
    }

    /// In order of listing and field, behind a place.
    pub async fn contradictions(
        conn: &mut PgConnection,
        dealer: Option<&str>,
        after: (i64, &str),
        limit: i64,
    ) -> Res<Vec<Contradiction>> {
        sqlx::query_as!(
            Contradiction,
            "SELECT c.listing_id, d.key AS dealer, l.stock_number, l.vin, c.field, c.listing_value, c.vin_value
             FROM contradictions c JOIN listings l ON l.id = c.listing_id JOIN dealers d ON d.id = l.dealer_id
             WHERE (c.listing_id, c.field) > ($2, $3) AND ($1::text IS NULL OR d.key = $1)
               AND l.status IN ('available', 'pending')
             ORDER BY c.listing_id, c.field LIMIT $4",
            dealer,
            after.0,
            after.1,
            limit
        )
        .fetch_all(conn)
        .await
        .map_err(StoreError::from)
    }
}
