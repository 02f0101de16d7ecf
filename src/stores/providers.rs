//! Who is asked about vehicles, their credentials sealed; and what is to be asked of each.

use crate::error::{Res, StoreError};
use crate::secrets::Sealed;
use crate::stamp;
use jiff::Timestamp;
use serde::Serialize;
use sqlx::PgConnection;
use std::collections::HashSet;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProviderKind {
    Vin,
    History,
    Valuation,
    Upload,
}

impl ProviderKind {
    pub const ALL: [Self; 4] = [Self::Vin, Self::History, Self::Valuation, Self::Upload];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Vin => "vin",
            Self::History => "history",
            Self::Valuation => "valuation",
            Self::Upload => "upload",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

#[derive(Clone, Debug)]
pub struct Provider {
    pub name: String,
    pub kind: ProviderKind,
    pub url: String,
    pub settings: serde_json::Value,
    pub secret: Sealed,
    pub enabled: bool,
    pub refresh_days: i32,
    pub at_once: i32,
    /// When it was put so.
    pub changed_at: Option<Timestamp>,
}

impl Provider {
    /// Which market a valuation is of.
    pub(crate) fn region(&self) -> &str {
        let region = self.settings.get("region").and_then(|said| said.as_str());
        region.unwrap_or_default()
    }

    /// As breakers and budgets know it.
    pub fn partner(&self) -> String {
        Self::partner_of(self.kind, &self.name)
    }

    pub fn partner_of(kind: ProviderKind, name: &str) -> String {
        format!("{} {name}", kind.as_str())
    }

    /// What its sealed secret is bound to.
    pub fn purpose(name: &str) -> String {
        format!("provider {name}")
    }
}

/// How a provider stands: what it is asked, and what waits.
#[derive(Clone, Debug, Serialize)]
pub struct ProviderView {
    pub name: String,
    pub kind: String,
    pub url: String,
    pub enabled: bool,
    pub refresh_days: i32,
    /// Subjects that may be asked now.
    pub due: i64,
    /// Subjects that failed and wait for their next try.
    pub failing: i64,
    /// Answers that are kept.
    pub answers: i64,
    /// Of those, vehicles that it knows nothing of.
    pub unknown: i64,
    /// Pages that could not be read.
    pub drifted: i64,
    pub oldest_due_at: Option<Timestamp>,
    /// Of a subject that fails.
    pub problem: Option<String>,
}

impl ProviderView {
    /// The partner that its calls go through.
    pub fn partner(&self) -> String {
        format!("{} {}", self.kind, self.name)
    }
}

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

pub struct Providers;

impl Providers {
    pub async fn put(conn: &mut PgConnection, provider: &Provider) -> Res<()> {
        sqlx::query!(
            "INSERT INTO providers (name, kind, url, settings, sealed_secret, sealed_key_id, enabled, refresh_days, at_once)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (name) DO UPDATE SET kind = $2, url = $3, settings = $4, sealed_secret = $5, sealed_key_id = $6,
                enabled = $7, refresh_days = $8, at_once = $9, changed_at = now(), looked_at = NULL",
            provider.name,
            provider.kind.as_str(),
            provider.url,
            provider.settings,
            provider.secret.bytes,
            provider.secret.key_id,
            provider.enabled,
            provider.refresh_days,
            provider.at_once
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    /// All of them, by name.
    pub async fn all(conn: &mut PgConnection) -> Res<Vec<Provider>> {
        Self::read(conn, None).await
    }

    pub async fn find(conn: &mut PgConnection, name: &str) -> Res<Option<Provider>> {
        Ok(Self::read(conn, Some(name)).await?.pop())
    }

    pub async fn get(conn: &mut PgConnection, name: &str) -> Res<Provider> {
        let not_found = || StoreError::NotFound {
            what: "provider",
            key: name.to_owned(),
        };
        Self::find(conn, name).await?.ok_or_else(not_found)
    }

    async fn read(conn: &mut PgConnection, name: Option<&str>) -> Res<Vec<Provider>> {
        Ok(sqlx::query!(
            "SELECT name, kind, url, settings, sealed_secret, sealed_key_id, enabled, refresh_days, at_once, changed_at FROM providers
             WHERE $1::text IS NULL OR name = $1 ORDER BY name",
            name
        )
        .fetch_all(conn)
        .await?
        .into_iter()
        .filter_map(|row| {
            Some(Provider {
                name: row.name,
                kind: ProviderKind::parse(&row.kind)?,
                url: row.url,
                settings: row.settings,
                secret: Sealed {
                    bytes: row.sealed_secret,
                    key_id: row.sealed_key_id,
                },
                enabled: row.enabled,
                refresh_days: row.refresh_days,
                at_once: row.at_once,
                changed_at: Some(stamp(row.changed_at)),
            })
        })
        .collect())
    }

    pub async fn views(conn: &mut PgConnection) -> Res<Vec<ProviderView>> {
        Ok(sqlx::query_file!("queries/providers.sql")
            .fetch_all(conn)
            .await?
            .into_iter()
            .map(|row| ProviderView {
                name: row.name,
                kind: row.kind,
                url: row.url,
                enabled: row.enabled,
                refresh_days: row.refresh_days,
                due: row.due,
                failing: row.failing,
                answers: row.answers,
                unknown: row.unknown,
                drifted: row.drifted,
                oldest_due_at: row.oldest_due_at.map(stamp),
                problem: row.problem,
            })
            .collect())
    }

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

    /// Names of those that are not asked.
    pub async fn disabled(conn: &mut PgConnection) -> Res<HashSet<String>> {
        let names = sqlx::query_scalar!("SELECT name FROM providers WHERE NOT enabled");
        Ok(names.fetch_all(conn).await?.into_iter().collect())
    }

    /// Whether it ever answered: then its answers are of its kind.
    pub async fn has_answers(conn: &mut PgConnection, name: &str) -> Res<bool> {
        Ok(sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT 1 FROM history_reports WHERE provider = $1)
                OR EXISTS (SELECT 1 FROM valuations WHERE provider = $1)
                OR EXISTS (SELECT 1 FROM photo_uploads WHERE provider = $1) AS "any!""#,
            name
        )
        .fetch_one(conn)
        .await?)
    }

    /// Nobody writes down what it said until the transaction ends.
    pub async fn lock(conn: &mut PgConnection, name: &str) -> Res<()> {
        sqlx::query!(
            "SELECT name FROM providers WHERE name = $1 FOR UPDATE",
            name
        )
        .fetch_optional(conn)
        .await?;
        Ok(())
    }

    /// Whether it is still as it was when it was read, and asked; it stays so until the transaction ends.
    pub async fn stands(conn: &mut PgConnection, provider: &Provider) -> Res<bool> {
        let now = sqlx::query!(
            "SELECT enabled, changed_at FROM providers WHERE name = $1 FOR SHARE",
            provider.name
        )
        .fetch_optional(conn)
        .await?;
        Ok(
            now.is_some_and(|now| {
                now.enabled && Some(stamp(now.changed_at)) == provider.changed_at
            }),
        )
    }

    /// Removes it with all that is due and all it said; the objects that are left are deleted by the next who forgets.
    pub async fn remove(conn: &mut PgConnection, name: &str) -> Res<()> {
        sqlx::query_file!("queries/remove_provider.sql", name)
            .execute(&mut *conn)
            .await?;
        sqlx::query!("DELETE FROM providers WHERE name = $1", name)
            .execute(conn)
            .await?;
        Ok(())
    }

    /// Units on the lot that a provider said something of.
    pub async fn told_of(conn: &mut PgConnection, name: &str) -> Res<Vec<i64>> {
        Ok(sqlx::query_scalar!(
            "SELECT l.id FROM listings l WHERE l.status IN ('available', 'pending')
                AND (EXISTS (SELECT 1 FROM history_reports h WHERE h.vin = l.vin AND h.provider = $1)
                     OR EXISTS (SELECT 1 FROM valuations v WHERE v.vin = l.vin AND v.provider = $1))
             ORDER BY l.id",
            name
        )
        .fetch_all(conn)
        .await?)
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
            if !there.is_empty() || gone.is_empty() {
                return Ok(there
                    .into_iter()
                    .map(|row| Due {
                        subject: row.subject,
                        tries: row.tries,
                    })
                    .collect());
            }
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
