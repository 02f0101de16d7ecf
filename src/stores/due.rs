//! What is to be asked of each provider: each vehicle or photo once, new ones first, struck off in the transaction that keeps the answer.

use crate::error::Res;
use crate::providers::{Provider, ProviderKind, Providers};
use sqlx::PgConnection;

/// One thing to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    pub subject: String,
    pub tries: i32,
}

/// A vehicle that something is to be known of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedVehicle {
    pub vin: String,
    /// Thousands of miles.
    pub odometer_bucket: Option<i32>,
    /// New units go first.
    pub new: bool,
}

impl Providers {
    /// Vehicles that a provider shall be asked about: those it said nothing of within its days. How many are news.
    pub async fn want(
        conn: &mut PgConnection,
        provider: &Provider,
        vehicles: &[WantedVehicle],
    ) -> Res<u64> {
        let vins: Vec<String> = vehicles.iter().map(|v| v.vin.clone()).collect();
        let buckets: Vec<Option<i32>> = vehicles.iter().map(|v| v.odometer_bucket).collect();
        let priorities: Vec<i16> = vehicles.iter().map(|v| i16::from(!v.new)).collect();
        let done = sqlx::query_file!(
            "queries/want_vehicles.sql",
            provider.name,
            provider.kind.as_str(),
            provider.refresh_days,
            &vins,
            &buckets as &[Option<i32>],
            &priorities,
            provider.region()
        );
        Ok(done.execute(conn).await?.rows_affected())
    }

    /// Photos, by digest, that an upload provider has not got; placeholders are never sent.
    pub async fn want_uploads(
        conn: &mut PgConnection,
        provider: &str,
        digests: &[String],
    ) -> Res<u64> {
        Ok(sqlx::query!(
            "INSERT INTO enrichment_due (provider, subject, priority)
             SELECT $1, p.digest, 0 FROM photos p WHERE p.digest = ANY($2)
                AND NOT EXISTS (SELECT 1 FROM photo_uploads u WHERE u.photo_id = p.id AND u.provider = $1)
                AND NOT EXISTS (SELECT 1 FROM placeholders h WHERE h.digest = p.digest AND NOT h.denied)
             ORDER BY p.digest
             ON CONFLICT DO NOTHING",
            provider,
            digests
        )
        .execute(conn)
        .await?
        .rows_affected())
    }

    /// Whatever is on the lot and older than the provider's days, or was never asked; at most so many. Subjects are written
    /// in their order here as everywhere, so that two who want the same never wait for each other.
    pub async fn want_old(conn: &mut PgConnection, provider: &Provider, limit: i64) -> Res<u64> {
        let (kind, name, days) = (provider.kind, &provider.name, provider.refresh_days);
        let done = match kind {
            ProviderKind::History => {
                sqlx::query_file!("queries/old_histories.sql", name, days, limit)
                    .execute(conn)
                    .await?
            }
            ProviderKind::Valuation => {
                sqlx::query_file!(
                    "queries/old_valuations.sql",
                    name,
                    days,
                    limit,
                    provider.region()
                )
                .execute(conn)
                .await?
            }
            ProviderKind::Vin => {
                sqlx::query_file!("queries/old_decodes.sql", name, days, limit)
                    .execute(conn)
                    .await?
            }
            ProviderKind::Upload => {
                sqlx::query_file!("queries/old_uploads.sql", name, limit)
                    .execute(conn)
                    .await?
            }
        };
        Ok(done.rows_affected())
    }

    /// Strikes off what is due of vehicles that are not on the lot any more.
    pub async fn forget_gone(conn: &mut PgConnection, provider: &Provider) -> Res<()> {
        if provider.kind == ProviderKind::Upload {
            return Ok(());
        }
        sqlx::query!(
            "WITH gone AS (
                SELECT e.subject FROM enrichment_due e WHERE e.provider = $1 AND NOT EXISTS (
                    SELECT 1 FROM listings l WHERE l.vin = e.subject AND l.status IN ('available', 'pending'))
                ORDER BY e.subject FOR UPDATE)
             DELETE FROM enrichment_due WHERE provider = $1 AND subject IN (SELECT subject FROM gone)",
            provider.name
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    /// What is due is due now, as if it had never failed: the provider is another.
    pub async fn due_now(conn: &mut PgConnection, name: &str) -> Res<()> {
        sqlx::query!(
            "WITH waiting AS (
                SELECT subject FROM enrichment_due WHERE provider = $1 AND (due_at > now() OR tries > 0)
                ORDER BY subject FOR UPDATE)
             UPDATE enrichment_due SET due_at = now(), tries = 0, problem = NULL
             WHERE provider = $1 AND subject IN (SELECT subject FROM waiting)",
            name
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    /// Photos it has are wanted once more: they are shown otherwise from now on.
    pub async fn want_shown_anew(conn: &mut PgConnection, name: &str) -> Res<u64> {
        Ok(sqlx::query!(
            "INSERT INTO enrichment_due (provider, subject, priority)
             SELECT $1, p.digest, 2 FROM photo_uploads u JOIN photos p ON p.id = u.photo_id WHERE u.provider = $1
             ORDER BY p.digest
             ON CONFLICT DO NOTHING",
            name
        )
        .execute(conn)
        .await?
        .rows_affected())
    }

    /// Whether it is time to look for what is old: once in most of a day.
    pub async fn look(conn: &mut PgConnection, provider: &str) -> Res<bool> {
        let looked = sqlx::query!(
            "UPDATE providers SET looked_at = now()
             WHERE name = $1 AND (looked_at IS NULL OR looked_at < now() - interval '20 hours')",
            provider
        );
        Ok(looked.execute(conn).await?.rows_affected() == 1)
    }

    /// There is more than one look took.
    pub async fn look_again(conn: &mut PgConnection, provider: &str) -> Res<()> {
        sqlx::query!(
            "UPDATE providers SET looked_at = NULL WHERE name = $1",
            provider
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    /// What could not be read is to be asked again, now that it can be read otherwise; where it is asked otherwise, what it
    /// did not know as well.
    pub async fn want_drifted(conn: &mut PgConnection, provider: &str, unknown: bool) -> Res<u64> {
        Ok(sqlx::query!(
            "INSERT INTO enrichment_due (provider, subject, priority)
             SELECT $1, vin, 1 FROM history_reports WHERE provider = $1 AND (state = 'drift' OR $2 AND state = 'none')
             ORDER BY vin
             ON CONFLICT (provider, subject) DO UPDATE SET due_at = now(), tries = 0, problem = NULL",
            provider,
            unknown
        )
        .execute(conn)
        .await?
        .rows_affected())
    }

    /// The next to ask: new units first, then the longest due. Of vehicles those on the lot alone: nobody pays for an answer
    /// about a unit that is gone.
    pub async fn next(conn: &mut PgConnection, provider: &Provider, limit: i64) -> Res<Vec<Due>> {
        let of_photos = provider.kind == ProviderKind::Upload;
        loop {
            let first = sqlx::query!(
                r#"SELECT d.subject, d.tries, $3 OR EXISTS (
                        SELECT 1 FROM listings l WHERE l.vin = d.subject AND l.status IN ('available', 'pending')) AS "there!"
                   FROM (SELECT subject, tries, priority, due_at FROM enrichment_due
                         WHERE provider = $1 AND due_at <= now() ORDER BY priority, due_at, subject LIMIT $2) d
                   ORDER BY d.priority, d.due_at, d.subject"#,
                provider.name,
                limit,
                of_photos
            )
            .fetch_all(&mut *conn)
            .await?;
            let (there, gone): (Vec<_>, Vec<_>) = first.into_iter().partition(|row| row.there);
            if gone.is_empty() {
                return Ok(there
                    .into_iter()
                    .map(|row| Due {
                        subject: row.subject,
                        tries: row.tries,
                    })
                    .collect());
            }
            // Else they would stand in front, and make every batch smaller.
            let mut gone: Vec<String> = gone.into_iter().map(|row| row.subject).collect();
            gone.sort();
            Self::asked(conn, &provider.name, &gone).await?;
        }
    }

    /// Locks what is due until the transaction ends, in order.
    pub async fn lock_due(conn: &mut PgConnection, provider: &str, subjects: &[String]) -> Res<()> {
        sqlx::query!(
            "SELECT subject FROM enrichment_due WHERE provider = $1 AND subject = ANY($2) ORDER BY subject FOR UPDATE",
            provider,
            subjects
        )
        .fetch_all(conn)
        .await?;
        Ok(())
    }

    /// Asked and answered.
    pub async fn asked(conn: &mut PgConnection, provider: &str, subjects: &[String]) -> Res<()> {
        sqlx::query!(
            "DELETE FROM enrichment_due WHERE provider = $1 AND subject = ANY($2)",
            provider,
            subjects
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    /// Asked in vain: the next try is so many seconds from now.
    pub async fn later(
        conn: &mut PgConnection,
        provider: &str,
        failed: &[(String, i64, String)],
    ) -> Res<()> {
        let subjects: Vec<String> = failed.iter().map(|(s, ..)| s.clone()).collect();
        let waits: Vec<i64> = failed.iter().map(|(_, wait, _)| *wait).collect();
        let problems: Vec<String> = failed.iter().map(|(.., p)| p.replace('\0', "")).collect();
        sqlx::query!(
            "UPDATE enrichment_due d SET due_at = now() + u.wait * interval '1 second', tries = d.tries + 1, problem = u.problem
             FROM unnest($2::text[], $3::bigint[], $4::text[]) u(subject, wait, problem)
             WHERE d.provider = $1 AND d.subject = u.subject",
            provider,
            &subjects,
            &waits,
            &problems
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    /// Seconds until something is due; `None` when nothing is.
    pub async fn due_in(conn: &mut PgConnection, provider: &str) -> Res<Option<i64>> {
        Ok(sqlx::query_scalar!(
            r#"SELECT greatest(0, ceil(extract(epoch FROM min(due_at) - now())))::bigint AS "wait!"
               FROM enrichment_due WHERE provider = $1 HAVING count(*) > 0"#,
            provider
        )
        .fetch_optional(conn)
        .await?)
    }
}
