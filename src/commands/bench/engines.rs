//! The engine a bench names, on servers of its own.

use super::engine_pool;
use anyhow::{Result, bail};
use embedded::{PrivateRedis, RedisSettings};
use queue::{AnyEngine, PostgresEngine, RedisEngine};
use stores::PgPool;

pub(super) struct Engines {
    pub(super) pool: PgPool,
    pub(super) engine: AnyEngine,
    /// Leases live on a thread and connections of their own, as in `work`.
    pub(super) leases: AnyEngine,
    lease_pool: PgPool,
    redis: Option<Redis>,
}

struct Redis {
    server: PrivateRedis,
    root: std::path::PathBuf,
}

impl Engines {
    /// On an empty database; Redis is a private one with its append-only file.
    pub(super) async fn start(name: &str, url: &str) -> Result<Self> {
        let pool = stores::connect(url, &engine_pool("forecourt engine")).await?;
        stores::MIGRATIONS.run(&pool).await?;
        let lease_pool = stores::connect(url, &engine_pool("forecourt leases")).await?;
        let redis = match name {
            "postgres" => None,
            "redis" => {
                let root =
                    std::env::temp_dir().join(format!("fc-bench-redis-{}", std::process::id()));
                let server = PrivateRedis::start(&RedisSettings {
                    root: root.clone(),
                    port: None,
                    append_only: true,
                })?;
                Some(Redis { server, root })
            }
            _ => bail!("no engine is called {name:?}: postgres, redis"),
        };
        let on = |pool: &PgPool| -> Result<AnyEngine> {
            let postgres = PostgresEngine::new(pool.clone());
            Ok(match &redis {
                None => postgres.into(),
                Some(redis) => RedisEngine::new(postgres, &redis.server.url(), "bench")?.into(),
            })
        };
        Ok(Self {
            engine: on(&pool)?,
            leases: on(&lease_pool)?,
            pool,
            lease_pool,
            redis,
        })
    }

    pub(super) async fn close(self) {
        self.lease_pool.close().await;
        self.pool.close().await;
        if let Some(Redis { server, root }) = self.redis {
            drop(server);
            let _ = std::fs::remove_dir_all(root);
        }
    }
}
