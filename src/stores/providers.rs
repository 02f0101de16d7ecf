//! Who is asked about vehicles, their credentials sealed; what is to be asked of each is in `due.rs`.

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

    /// Names of those that are not asked.
    pub async fn disabled(conn: &mut PgConnection) -> Res<HashSet<String>> {
        let names = sqlx::query_scalar!("SELECT name FROM providers WHERE NOT enabled");
        Ok(names.fetch_all(conn).await?.into_iter().collect())
    }

    /// Nobody writes down what it said until the transaction ends. Whoever wants something of it only names it, and does not wait:
    /// it may have what this transaction is to wait for.
    pub async fn lock(conn: &mut PgConnection, name: &str) -> Res<()> {
        sqlx::query!(
            "SELECT name FROM providers WHERE name = $1 FOR NO KEY UPDATE",
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
                     OR EXISTS (SELECT 1 FROM valuations v WHERE v.vin = l.vin AND v.provider = $1)
                     OR EXISTS (SELECT 1 FROM providers p JOIN vin_decodes d ON d.vin = l.vin
                                WHERE p.name = $1 AND d.api_by = p.name AND d.api IS NOT NULL))
             ORDER BY l.id",
            name
        )
        .fetch_all(conn)
        .await?)
    }
}
