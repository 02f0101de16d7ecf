//! API keys: shown once, kept as a digest.

use crate::error::Res;
use crate::secrets::hex;
use aws_lc_rs::digest::{SHA256, digest};
use sqlx::PgConnection;

/// What a key may do. Each higher one includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    Search,
    Read,
    Operate,
    Admin,
}

impl Scope {
    pub const ALL: [Self; 4] = [Self::Search, Self::Read, Self::Operate, Self::Admin];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Search => "search",
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == word)
    }
}

#[derive(Clone, Debug)]
pub struct ApiKey {
    pub id: i64,
    pub name: String,
    pub scope: Scope,
}

pub struct Keys;

impl Keys {
    /// A fresh key; the text cannot be had again.
    pub async fn create(conn: &mut PgConnection, name: &str, scope: Scope) -> Res<String> {
        let mut random = [0u8; 32];
        aws_lc_rs::rand::fill(&mut random)
            .map_err(|_| sqlx::Error::Protocol("no randomness".into()))?;
        let key = format!("fc_{}", hex(&random));
        sqlx::query!(
            "INSERT INTO api_keys (name, hash, scopes) VALUES ($1, $2, $3)",
            name,
            hash(&key),
            &[scope.as_str().to_owned()]
        )
        .execute(conn)
        .await?;
        Ok(key)
    }

    /// `None` for a key that was never issued or is revoked.
    pub async fn find(conn: &mut PgConnection, key: &str) -> Res<Option<ApiKey>> {
        let row = sqlx::query!(
            "SELECT id, name, scopes FROM api_keys WHERE hash = $1 AND revoked_at IS NULL",
            hash(key)
        )
        .fetch_optional(conn)
        .await?;
        Ok(row.and_then(|row| {
            let scope = row
                .scopes
                .iter()
                .filter_map(|word| Scope::parse(word))
                .max()?;
            Some(ApiKey {
                id: row.id,
                name: row.name,
                scope,
            })
        }))
    }

    /// By its number, as long as it is not revoked.
    pub async fn get(conn: &mut PgConnection, id: i64) -> Res<Option<ApiKey>> {
        let keys = Self::list(conn).await?;
        Ok(keys.into_iter().find(|key| key.id == id))
    }

    /// Something nobody can guess.
    pub fn token() -> Res<String> {
        let mut random = [0u8; 16];
        aws_lc_rs::rand::fill(&mut random)
            .map_err(|_| sqlx::Error::Protocol("no randomness".into()))?;
        Ok(hex(&random))
    }

    pub async fn list(conn: &mut PgConnection) -> Res<Vec<ApiKey>> {
        let rows = sqlx::query!(
            "SELECT id, name, scopes FROM api_keys WHERE revoked_at IS NULL ORDER BY id"
        )
        .fetch_all(conn)
        .await?;
        Ok(rows
            .into_iter()
            .filter_map(|row| {
                let scope = row
                    .scopes
                    .iter()
                    .filter_map(|word| Scope::parse(word))
                    .max()?;
                Some(ApiKey {
                    id: row.id,
                    name: row.name,
                    scope,
                })
            })
            .collect())
    }

    /// `false` when there is no such key, or it is revoked already.
    pub async fn revoke(conn: &mut PgConnection, id: i64) -> Res<bool> {
        let done = sqlx::query!(
            "UPDATE api_keys SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL",
            id
        )
        .execute(conn)
        .await?;
        Ok(done.rows_affected() == 1)
    }
}

fn hash(key: &str) -> Vec<u8> {
    digest(&SHA256, key.as_bytes()).as_ref().to_vec()
}
