//! Whose word each field of a listing is; what an operator says over it; where listing and VIN disagree.

use crate::Api;
use crate::auth::Key;
use crate::problem::Problem;
use ::jobs::by_hand;
use domain::{Field, FieldType, Listing, Value};
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};
use std::collections::HashMap;
use stores::{Files, Overrides, Scope};

pub(crate) struct Words {
    pub(crate) api: Api,
}

/// One field, and whose word it is.
#[derive(Object)]
pub(crate) struct Word {
    pub(crate) field: String,
    pub(crate) value: Option<String>,
    /// `file`, `vin`, `api`, `units` or `operator`.
    pub(crate) source: String,
    /// Who, when it was an operator.
    pub(crate) by: Option<String>,
    pub(crate) file: Option<i64>,
    pub(crate) file_name: Option<String>,
    /// Counted from 1 for the first row after the header.
    pub(crate) row: Option<u64>,
    /// The dealer's own words, where another value was made of them.
    pub(crate) original: Option<String>,
    /// What it replaced; under an operator's value the dealer's newest word.
    pub(crate) over: Option<String>,
}

#[derive(Object)]
struct NewWord {
    /// A text, a whole number in the field's unit, a list of texts, or a date like 2026-11-23.
    value: serde_json::Value,
}

#[derive(Object)]
struct ContradictionView {
    listing: i64,
    dealer: String,
    stock_number: String,
    vin: Option<String>,
    field: String,
    listing_value: String,
    /// What `source` says.
    vin_value: String,
    /// `vin`, or `history`: of titles providers know.
    source: String,
}

/// A text may be this long.
const LONGEST: usize = 10_000;

#[OpenApi]
impl Words {
    /// Every field that has a value: who said it, in which file and row, over what.
    #[oai(
        path = "/listings/:id/provenance",
        method = "get",
        operation_id = "get_provenance"
    )]
    async fn get_provenance(&self, key: Key, id: Path<i64>) -> Result<Json<Vec<Word>>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let mut conn = self.api.app.pool.acquire().await?;
        let listing = stores::Listings::get(&mut conn, id.0).await?;
        Ok(Json(words(&mut conn, &listing).await))
    }

    /// Says what a field is; it stands over every file until it is released.
    #[oai(
        path = "/listings/:id/overrides/:field",
        method = "put",
        operation_id = "override_field"
    )]
    async fn put_override(
        &self,
        key: Key,
        id: Path<i64>,
        field: Path<String>,
        word: Json<NewWord>,
    ) -> Result<Json<Vec<Word>>, Problem> {
        let who = key.require(&self.api, Scope::Operate).await?;
        let field = by_hand::field(&field.0)?;
        let value = read(field, &word.0.value).map_err(Problem::invalid)?;
        let app = &self.api.app;
        let listing = by_hand::put_right(app, id.0, field, value, &who.name).await?;
        let words = words(&mut *app.pool.acquire().await?, &listing).await;
        Ok(Json(words))
    }

    /// The dealer's newest word stands again.
    #[oai(
        path = "/listings/:id/overrides/:field",
        method = "delete",
        operation_id = "release_field"
    )]
    async fn release_override(
        &self,
        key: Key,
        id: Path<i64>,
        field: Path<String>,
    ) -> Result<Json<Vec<Word>>, Problem> {
        let who = key.require(&self.api, Scope::Operate).await?;
        let field = by_hand::field(&field.0)?;
        let app = &self.api.app;
        let released = by_hand::let_go(app, id.0, field, &who.name).await?;
        let Some(listing) = released else {
            let what = format!("override of {} on listing", field.name());
            return Err(Problem::not_found(&what, id.0));
        };
        let words = words(&mut *app.pool.acquire().await?, &listing).await;
        Ok(Json(words))
    }

    /// Where a listing on the lot and its VIN disagree, in order of listing and field.
    #[oai(
        path = "/contradictions",
        method = "get",
        operation_id = "list_contradictions"
    )]
    async fn list_contradictions(
        &self,
        key: Key,
        dealer: Query<Option<String>>,
        /// The last listing of the page before, with `after_field`.
        after: Query<Option<i64>>,
        after_field: Query<Option<String>>,
        /// At most 500; 100 unless told.
        limit: Query<Option<i64>>,
    ) -> Result<Json<Vec<ContradictionView>>, Problem> {
        key.require(&self.api, Scope::Read).await?;
        let mut conn = self.api.app.pool.acquire().await?;
        let place = (after.0.unwrap_or(0), after_field.0.unwrap_or_default());
        let limit = limit.0.unwrap_or(100).clamp(1, 500);
        let dealer = dealer.0.as_deref();
        stores::Dealers::known(&mut conn, dealer).await?;
        let found =
            Overrides::contradictions(&mut conn, dealer, (place.0, &place.1), limit).await?;
        let views = found.into_iter().map(|row| ContradictionView {
            source: row.source().to_owned(),
            listing: row.listing_id,
            dealer: row.dealer,
            stock_number: row.stock_number,
            vin: row.vin,
            field: row.field,
            listing_value: row.listing_value,
            vin_value: row.vin_value,
        });
        Ok(Json(views.collect()))
    }
}

fn read(field: Field, value: &serde_json::Value) -> Result<Value<'static>, String> {
    let wanted = |what: &str| format!("{}: {value} is not {what}", field.name());
    let text = |value: &serde_json::Value| {
        let text = value.as_str()?.trim();
        let sound = !text.is_empty() && text.len() <= LONGEST && !text.contains('\0');
        sound.then(|| text.to_owned())
    };
    match field.field_type() {
        FieldType::Text => text(value)
            .map(|text| Value::Text(text.into()))
            .ok_or_else(|| wanted("a text of 1 to 10000 bytes")),
        FieldType::Number => value
            .as_i64()
            .filter(|number| *number >= 0)
            .map(Value::Number)
            .ok_or_else(|| wanted("a whole number of 0 or more")),
        FieldType::Date => text(value)
            .and_then(|text| text.parse().ok())
            .map(Value::Date)
            .ok_or_else(|| wanted("a date like 2026-11-23")),
        FieldType::List => {
            let items = value.as_array().filter(|items| items.len() <= 1_000);
            let items = items.and_then(|items| items.iter().map(text).collect::<Option<Vec<_>>>());
            items
                .map(|items| Value::List(items.into()))
                .ok_or_else(|| wanted("a list of at most 1000 texts"))
        }
    }
}

/// Every field that has a value, and whose word it is.
pub(crate) async fn words(conn: &mut stores::PgConnection, listing: &Listing) -> Vec<Word> {
    let mut names: HashMap<i64, String> = HashMap::new();
    for origin in listing.provenance.0.values() {
        if let Some(file) = origin.file
            && !names.contains_key(&file)
            && let Ok(known) = Files::get(conn, file).await
        {
            names.insert(file, known.name);
        }
    }
    let of = |field: Field| match field {
        Field::Vin => listing.vin.as_ref().map(ToString::to_string),
        Field::Serial => listing.serial.clone(),
        field => listing.details.get(field).map(|value| value.to_string()),
    };
    let word = |(field, origin): (&Field, &domain::Origin)| Word {
        field: field.name().to_owned(),
        value: of(*field),
        source: origin.source.as_str().to_owned(),
        by: origin.by.clone(),
        file: origin.file,
        file_name: origin.file.and_then(|file| names.get(&file).cloned()),
        row: origin.row,
        original: origin.original.clone(),
        over: origin.over.clone(),
    };
    listing.provenance.0.iter().map(word).collect()
}
