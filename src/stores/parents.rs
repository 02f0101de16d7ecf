//! Parents and their members.

use crate::error::Res;
use crate::listing_row::ListingRow;
use crate::listings::{Listings, UpsertCounts};
use domain::{Listing, ListingDraft, Origin, Source};
use sqlx::PgConnection;

pub struct Parents;

impl Parents {
    /// Rooftops above an id whose units changed: (dealer, newest change).
    pub async fn dirty(conn: &mut PgConnection, after: i64, limit: i64) -> Res<Vec<(i64, i64)>> {
        Ok(sqlx::query!(
            r#"SELECT dealer_id, max(position) AS "position!" FROM parent_dirty
               WHERE dealer_id > $1 GROUP BY dealer_id ORDER BY dealer_id LIMIT $2"#,
            after,
            limit
        )
        .fetch_all(conn)
        .await?
        .into_iter()
        .map(|row| (row.dealer_id, row.position))
        .collect())
    }

    /// Changes up to here are in.
    pub async fn clean(conn: &mut PgConnection, dealer_id: i64, position: i64) -> Res<()> {
        sqlx::query!(
            "DELETE FROM parent_dirty WHERE dealer_id = $1 AND position <= $2",
            dealer_id,
            position
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    /// One rebuild of a rooftop at a time, until the transaction ends.
    pub async fn lock(conn: &mut PgConnection, dealer_id: i64) -> Res<()> {
        sqlx::query!(
            "SELECT pg_advisory_xact_lock(hashtextextended('parents of dealer ' || $1::bigint, 0))",
            dealer_id
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    /// A rooftop's units on the lot, parents left out.
    pub async fn units(conn: &mut PgConnection, dealer_id: i64) -> Res<Vec<Listing>> {
        Ok(
            sqlx::query_file_as!(ListingRow, "queries/units_of_dealer.sql", dealer_id)
                .fetch_all(conn)
                .await?
                .into_iter()
                .map(Into::into)
                .collect(),
        )
    }

    pub async fn put(
        conn: &mut PgConnection,
        dealer_id: i64,
        drafts: &[ListingDraft],
    ) -> Res<UpsertCounts> {
        let origin = |_: &ListingDraft| Origin::of(Source::Units);
        let drafts: Vec<(i64, &ListingDraft)> =
            drafts.iter().map(|draft| (dealer_id, draft)).collect();
        Listings::bring_up_to(conn, None, None, &drafts, origin).await
    }

    /// Retires the rooftop's parents that are not among these; returns how many.
    pub async fn retire_others(
        conn: &mut PgConnection,
        dealer_id: i64,
        drafts: &[ListingDraft],
    ) -> Res<i64> {
        let kept: Vec<String> = drafts.iter().map(|d| d.stock_number.clone()).collect();
        let retired = sqlx::query_file!("queries/retire_parents.sql", dealer_id, &kept)
            .execute(conn)
            .await?
            .rows_affected();
        Ok(i64::try_from(retired).unwrap_or(i64::MAX))
    }

    /// Which units each parent (by stock number) stands for; nobody else's are any more.
    pub async fn set_members(
        conn: &mut PgConnection,
        dealer_id: i64,
        members: &[(&str, &[i64])],
    ) -> Res<()> {
        sqlx::query!(
            "DELETE FROM parent_members m USING listings p WHERE p.id = m.parent_id AND p.dealer_id = $1",
            dealer_id
        )
        .execute(&mut *conn)
        .await?;
        // By unit id: the foreign key locks units, and everybody locks them in this order.
        let (mut numbers, mut ids, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for (number, units) in members {
            for (place, id) in (0i32..).zip(units.iter()) {
                numbers.push((*number).to_owned());
                ids.push(*id);
                places.push(place);
            }
        }
        sqlx::query!(
            "INSERT INTO parent_members (listing_id, parent_id, place)
             SELECT u.id, p.id, u.place FROM unnest($2::text[], $3::bigint[], $4::int[]) u(number, id, place)
             JOIN listings p ON p.dealer_id = $1 AND p.stock_number = u.number
             ORDER BY u.id",
            dealer_id,
            &numbers,
            &ids,
            &places
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    /// The units a parent stands for, the prime one first.
    pub async fn members(conn: &mut PgConnection, parent_id: i64) -> Res<Vec<i64>> {
        Ok(sqlx::query_scalar!(
            "SELECT listing_id FROM parent_members WHERE parent_id = $1 ORDER BY place",
            parent_id
        )
        .fetch_all(conn)
        .await?)
    }

    pub async fn dealer_key(conn: &mut PgConnection, dealer_id: i64) -> Res<String> {
        Ok(
            sqlx::query_scalar!("SELECT key FROM dealers WHERE id = $1", dealer_id)
                .fetch_one(conn)
                .await?,
        )
    }
}
