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

#[derive(Clone, Debug, Serialize)]
pub struct RejectRow {
    pub row: i64,
    /// The unit's, where the row names one.
    pub stock_number: String,
    pub column: String,
    pub value: String,
    pub rule: String,
    pub message: String,
    pub row_lost: bool,
}

impl Files {
    /// A held file is looked at once more, as it would be if it came now: what held it is judged again.
    pub async fn look_again(conn: &mut PgConnection, id: i64) -> Res<()> {
        sqlx::query!(
            "UPDATE source_files SET state = 'fetched', held_reason = NULL, released_by = NULL WHERE id = $1 AND state = 'held'",
            id
        )
        .execute(conn)
        .await?;
        Ok(())
    }

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

    /// Told with the file; twice is once.
    pub async fn reject(conn: &mut PgConnection, file_id: i64, rejects: &[RejectRow]) -> Res<()> {
        let of =
            |f: fn(&RejectRow) -> &String| rejects.iter().map(|r| f(r).clone()).collect::<Vec<_>>();
        sqlx::query!(
            "INSERT INTO source_rejects (file_id, row, column_name, value, rule, message, row_lost, stock_number)
             SELECT $1, u.* FROM unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bool[], $8::text[]) u
             ON CONFLICT DO NOTHING",
            file_id,
            &rejects.iter().map(|r| r.row).collect::<Vec<_>>(),
            &of(|r| &r.column),
            &of(|r| &r.value),
            &of(|r| &r.rule),
            &of(|r| &r.message),
            &rejects.iter().map(|r| r.row_lost).collect::<Vec<_>>(),
            &of(|r| &r.stock_number)
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    pub async fn rejects(conn: &mut PgConnection, file_id: i64) -> Res<Vec<RejectRow>> {
        Ok(sqlx::query_as!(
            RejectRow,
            r#"SELECT row, stock_number, column_name AS "column", value, rule, message, row_lost FROM source_rejects
               WHERE file_id = $1 ORDER BY row, column_name LIMIT 1000000"#,
            file_id
        )
        .fetch_all(conn)
        .await?)
    }

    /// Columns whose cells could not be read in half of the file's loaded rows or more: how many, the rule that most break, and the first of those.
    pub async fn unread_columns(
        conn: &mut PgConnection,
        file_id: i64,
    ) -> Res<Vec<(String, i64, String, String)>> {
        let rows = sqlx::query!(
            r#"WITH told AS (
                SELECT r.column_name, r.rule, count(*) AS count, (array_agg(r.value ORDER BY r.row))[1] AS value
                FROM source_rejects r
                WHERE r.file_id = $1 AND r.row > 0 AND NOT r.row_lost
                  AND r.rule NOT IN ('not_priced', 'year_unknown', 'prime_sold')
                  AND NOT EXISTS (SELECT 1 FROM source_rejects x WHERE x.file_id = r.file_id AND x.row = r.row AND x.row_lost)
                GROUP BY r.column_name, r.rule),
               all_of AS (
                SELECT column_name, sum(count)::bigint AS count, (array_agg(rule ORDER BY count DESC))[1] AS rule,
                    (array_agg(value ORDER BY count DESC))[1] AS value
                FROM told GROUP BY column_name)
               -- Of a file with more refusals than are told, so many rows were looked at.
               SELECT a.column_name, a.count AS "count!", a.rule AS "rule!", a.value AS "value!"
               FROM all_of a JOIN source_files f ON f.id = $1
               WHERE a.count >= 5 AND a.count * 2 >= least(f.rows - f.rejected - f.duplicates,
                    (SELECT max(m.row) FROM source_rejects m WHERE m.file_id = $1))
               ORDER BY a.count DESC, a.column_name"#,
            file_id
        );
        let rows = rows.fetch_all(conn).await?.into_iter();
        Ok(rows
            .map(|row| (row.column_name, row.count, row.rule, row.value))
            .collect())
    }
}
