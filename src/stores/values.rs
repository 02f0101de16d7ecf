//! Which words stand in the stock, so that those nobody knows can be told.

use crate::error::Res;
use sqlx::PgConnection;

/// A value of a field that has a table of words.
#[derive(Clone, Debug, serde::Serialize)]
pub struct FieldValue {
    pub field: String,
    pub value: String,
    pub units: i64,
    pub dealers: i64,
    /// One unit that has it.
    pub stock_number: String,
}

pub struct Values;

impl Values {
    /// Of vehicles on the lot, most used first. Colours only where no plain colour was found in them.
    pub async fn worded(conn: &mut PgConnection, dealer: Option<&str>) -> Res<Vec<FieldValue>> {
        Ok(sqlx::query_as!(
            FieldValue,
            r#"SELECT v.field AS "field!", v.value AS "value!", count(*) AS "units!", count(DISTINCT l.dealer_id) AS "dealers!",
                      min(l.stock_number) AS "stock_number!"
               FROM listings l JOIN dealers d ON d.id = l.dealer_id,
                    LATERAL (VALUES ('make', l.make), ('body', l.body), ('fuel', l.fuel), ('drivetrain', l.drivetrain),
                        ('transmission', l.transmission), ('condition', l.condition),
                        ('exterior_color', CASE WHEN l.exterior_base_color IS NULL THEN l.exterior_color END),
                        ('interior_color', CASE WHEN l.interior_base_color IS NULL THEN l.interior_color END)) v(field, value)
               WHERE l.kind = 'vehicle' AND l.status IN ('available', 'pending') AND v.value IS NOT NULL
                 AND ($1::text IS NULL OR d.key = $1)
               GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2"#,
            dealer
        )
        .fetch_all(conn)
        .await?)
    }
}
