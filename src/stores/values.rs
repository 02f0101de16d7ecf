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
    /// Of units on the lot, most used first: each item of the options too. Colours only where no plain colour was found
    /// in them; the body, fuel and drivetrain of vehicles, the category of machines.
    pub async fn worded(conn: &mut PgConnection, dealer: Option<&str>) -> Res<Vec<FieldValue>> {
        Ok(sqlx::query_as!(
            FieldValue,
            r#"SELECT v.field AS "field!", v.value AS "value!", count(*) AS "units!", count(DISTINCT l.dealer_id) AS "dealers!",
                      min(l.stock_number) AS "stock_number!"
               FROM listings l JOIN dealers d ON d.id = l.dealer_id,
                    LATERAL (SELECT * FROM (VALUES ('make', 'vehicle', l.make), ('body', 'vehicle', l.body),
                        ('fuel', 'vehicle', l.fuel), ('drivetrain', 'vehicle', l.drivetrain),
                        ('transmission', 'vehicle', l.transmission), ('condition', NULL, l.condition),
                        ('category', 'equipment', l.category),
                        ('exterior_color', 'vehicle', CASE WHEN l.exterior_base_color IS NULL THEN l.exterior_color END),
                        ('interior_color', 'vehicle', CASE WHEN l.interior_base_color IS NULL THEN l.interior_color END))
                            w(field, kind, value) WHERE w.kind IS NULL OR w.kind = l.kind
                        UNION ALL SELECT 'options', NULL, option FROM unnest(l.options) option) v(field, kind, value)
               WHERE l.kind <> 'parent' AND l.status IN ('available', 'pending') AND v.value IS NOT NULL
                 AND ($1::text IS NULL OR d.key = $1)
               GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2"#,
            dealer
        )
        .fetch_all(conn)
        .await?)
    }
}
