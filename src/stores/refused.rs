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
    /// Whether the last row of the source's file before this one had too few cells too, and it was loaded all the same.
    pub async fn ends_short(conn: &mut PgConnection, source: i64, file: i64) -> Res<bool> {
        let short = sqlx::query_scalar!(
            r#"SELECT EXISTS (
                SELECT 1 FROM (SELECT id, rows FROM source_files
                               WHERE source_id = $1 AND id < $2 AND state = 'loaded' ORDER BY id DESC LIMIT 1) f
                JOIN source_rejects r ON r.file_id = f.id AND r.row = f.rows AND r.rule = 'ragged_row') AS "short!""#,
            source,
            file
        );
        Ok(short.fetch_one(conn).await?)
    }

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
