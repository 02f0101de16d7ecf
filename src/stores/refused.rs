//! What was refused of a file, by rule: what an operator reads before the rows.

use crate::error::Res;
use crate::files::Files;
use serde::Serialize;
use sqlx::PgConnection;

#[derive(Clone, Debug, Serialize)]
pub struct Refused {
    pub rule: String,
    pub column: String,
    pub count: i64,
    pub rows_lost: i64,
    /// The first of them: its row, what stood there, and why it was refused.
    pub row: i64,
    pub value: String,
    pub message: String,
}

impl Files {
    /// Most first.
    pub async fn refused(conn: &mut PgConnection, file_id: i64) -> Res<Vec<Refused>> {
        Ok(sqlx::query_as!(
            Refused,
            r#"SELECT rule, column_name AS "column", count(*) AS "count!", count(*) FILTER (WHERE row_lost) AS "rows_lost!",
                min(row) AS "row!", (array_agg(value ORDER BY row))[1] AS "value!", (array_agg(message ORDER BY row))[1] AS "message!"
               FROM source_rejects WHERE file_id = $1 GROUP BY rule, column_name ORDER BY count(*) DESC, rule LIMIT 200"#,
            file_id
        )
        .fetch_all(conn)
        .await?)
    }
}
