//! Units as a load finds them: whose they are by the files that brought them, and which it must not take for gone.

use crate::error::{Res, StoreError};
use crate::listings::Listings;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use sqlx::PgConnection;

impl Listings {
    /// Locks units by rooftop and stock number, and a source's by number alone, in order of id, before anything else of a
    /// slice does.
    pub async fn lock_units(
        conn: &mut PgConnection,
        units: &[(i64, String)],
        (source, anywhere): (i64, &[String]),
    ) -> Res<()> {
        let (rooftops, stock_numbers): (Vec<i64>, Vec<String>) = units.iter().cloned().unzip();
        sqlx::query_scalar!(
            "SELECT id FROM listings WHERE id IN (
                SELECT l.id FROM listings l JOIN unnest($1::bigint[], $2::text[]) k(rooftop, number)
                    ON l.dealer_id = k.rooftop AND l.stock_number = k.number
                UNION
                SELECT l.id FROM listings l JOIN source_files f ON f.id = l.file_id AND f.source_id = $3
                WHERE cardinality($4::text[]) > 0 AND l.stock_number = ANY($4))
             ORDER BY id FOR UPDATE",
            &rooftops,
            &stock_numbers,
            source,
            anywhere
        )
        .fetch_all(conn)
        .await?;
        Ok(())
    }

    /// Whether there is a unit that a file's new ones could have been before: of its rooftop or another of the group, or
    /// anybody's for files of many rooftops; and not of this file.
    pub async fn any_before(
        conn: &mut PgConnection,
        dealer_id: Option<i64>,
        file: i64,
    ) -> Res<bool> {
        Ok(sqlx::query_scalar!(
            r#"SELECT EXISTS (
                SELECT 1 FROM listings l
                WHERE ($1::bigint IS NULL OR l.dealer_id IN (
                    SELECT o.id FROM dealers d JOIN dealers o ON o.id = d.id OR (o.group_name = d.group_name AND d.group_name <> '')
                    WHERE d.id = $1))
                  AND l.file_id IS DISTINCT FROM $2 AND l.kind <> 'parent') AS "any!""#,
            dealer_id,
            file
        )
        .fetch_one(conn)
        .await?)
    }

    /// Whether any unit on the lot is this source's, also one that is only waited for.
    pub async fn any_of_source(conn: &mut PgConnection, source_id: i64) -> Res<bool> {
        Ok(sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT 1 FROM listings l JOIN source_files f ON f.id = l.file_id
                WHERE f.source_id = $1 AND l.status IN ('available', 'pending')) AS "any!""#,
            source_id
        )
        .fetch_one(conn)
        .await?)
    }

    /// Units (dealer id, stock number) whose row in the file was lost, and those of the source that may be of a row which
    /// does not say whose unit it is: they stay as they are, and are not taken for gone.
    pub async fn still_there(
        conn: &mut PgConnection,
        file_id: i64,
        by_hand: bool,
        units: &[(i64, String)],
        (source, anywhere): (i64, &[String]),
    ) -> Res<()> {
        if !anywhere.is_empty() {
            sqlx::query!(
                "UPDATE listings l SET file_id = $1 FROM source_files f
                 WHERE f.id = l.file_id AND f.source_id = $2 AND l.stock_number = ANY($3)",
                file_id,
                source,
                anywhere
            )
            .execute(&mut *conn)
            .await?;
        }
        let (rooftops, stock_numbers): (Vec<i64>, Vec<String>) = units.iter().cloned().unzip();
        sqlx::query!(
            "UPDATE listings l SET file_id = $1 FROM unnest($2::bigint[], $3::text[]) k(dealer_id, stock_number)
             WHERE l.dealer_id = k.dealer_id AND l.stock_number = k.stock_number AND l.file_id IS NOT NULL
                AND NOT ($4 AND EXISTS (SELECT 1 FROM source_files f JOIN sources s ON s.id = f.source_id
                                        WHERE f.id = l.file_id AND s.kind <> 'upload'))",
            file_id,
            &rooftops,
            &stock_numbers,
            by_hand
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    /// Numbers of a dealer's units, or of a source's where it has many dealers (dealer key, stock number), whoever brought them
    /// and wherever they are, those on the lot first; all of them, or those with small letters.
    pub fn numbers_of(
        conn: &mut PgConnection,
        (dealer_id, source_id): (Option<i64>, i64),
        small: bool,
    ) -> BoxStream<'_, Res<(String, String)>> {
        sqlx::query!(
            // One of the two finds nothing. A condition on both would walk over everybody's units for one dealer's.
            r#"SELECT d.key AS "key!", u.stock_number AS "stock_number!"
               FROM (SELECT l.dealer_id, l.stock_number, l.status FROM listings l
                     WHERE l.dealer_id = $1::bigint AND l.kind <> 'parent'
                     UNION ALL
                     SELECT l.dealer_id, l.stock_number, l.status FROM source_files f JOIN listings l ON l.file_id = f.id
                     WHERE $1::bigint IS NULL AND f.source_id = $2 AND l.kind <> 'parent') u
               JOIN dealers d ON d.id = u.dealer_id
               WHERE NOT $3 OR u.stock_number <> upper(u.stock_number)
               ORDER BY u.status NOT IN ('available', 'pending')"#,
            dealer_id,
            source_id,
            small
        )
        .fetch(conn)
        .map_ok(|row| (row.key, row.stock_number))
        .map_err(StoreError::from)
        .boxed()
    }

    /// Units on the lot (dealer key, stock number) that the newest loaded file of a dealer's source had, or one since that was
    /// cut: those that are only waited for are not among them.
    pub fn on_the_lot_of(
        conn: &mut PgConnection,
        (dealer_id, source_id): (Option<i64>, i64),
    ) -> BoxStream<'_, Res<(String, String)>> {
        sqlx::query!(
            // One of the two finds nothing, as above.
            r#"WITH newest AS (
                SELECT coalesce(max(id), 0) AS id FROM source_files WHERE source_id = $2 AND state = 'loaded')
               SELECT d.key AS "key!", u.stock_number AS "stock_number!"
               FROM (SELECT l.dealer_id, l.stock_number, l.file_id FROM listings l
                     WHERE l.dealer_id = $1::bigint AND l.status IN ('available', 'pending')
                     UNION ALL
                     SELECT l.dealer_id, l.stock_number, l.file_id FROM listings l
                     WHERE $1::bigint IS NULL AND l.status IN ('available', 'pending')) u
               JOIN source_files f ON f.id = u.file_id AND f.source_id = $2
               JOIN dealers d ON d.id = u.dealer_id
               WHERE u.file_id >= (SELECT id FROM newest)"#,
            dealer_id,
            source_id
        )
        .fetch(conn)
        .map_ok(|row| (row.key, row.stock_number))
        .map_err(StoreError::from)
        .boxed()
    }
}
