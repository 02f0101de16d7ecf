//! A connection that is made on first use, dropped on the first doubt, and made again.

use super::keys::Keys;
use super::{RedisError, Res};
use crate::QueueName;
use futures::StreamExt;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, FromRedisValue, ScriptInvocation};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, broadcast};

/// `ZRANGE … BYSCORE` came with this one.
const OLDEST: (u32, u32) = (6, 2);
const CONNECT: Duration = Duration::from_secs(3);
/// A stalled server must look like a lost one before its leases run out.
const ANSWER: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub(super) struct Link {
    client: Arc<Client>,
    held: Arc<Mutex<Option<Held>>>,
}

#[derive(Clone)]
struct Held {
    conn: MultiplexedConnection,
    /// Changes with every start of the server, and with a failover.
    run_id: Arc<str>,
}

impl Link {
    pub(super) fn new(url: &str) -> Res<Self> {
        Ok(Self {
            client: Arc::new(Client::open(url)?),
            held: Arc::default(),
        })
    }

    async fn get(&self) -> Res<Held> {
        let mut held = self.held.lock().await;
        if let Some(held) = &*held {
            return Ok(held.clone());
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(ANSWER));
        let mut conn = self
            .client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        let info: String = redis::cmd("INFO")
            .arg("server")
            .query_async(&mut conn)
            .await?;
        let version = field(&info, "redis_version");
        if number(&version) < OLDEST {
            return Err(RedisError::Version {
                found: version,
                wanted: "6.2",
            });
        }
        let fresh = Held {
            conn,
            run_id: field(&info, "run_id").into(),
        };
        *held = Some(fresh.clone());
        Ok(fresh)
    }

    /// The run id of the server behind this connection.
    pub(super) async fn run_id(&self) -> Res<Arc<str>> {
        Ok(self.get().await?.run_id)
    }

    pub(super) async fn run<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Res<T> {
        let mut held = self.get().await?;
        let answer = script.invoke_async(&mut held.conn).await;
        self.judged(answer).await
    }

    pub(super) async fn ask<T: FromRedisValue>(&self, command: &redis::Cmd) -> Res<T> {
        let mut held = self.get().await?;
        let answer = command.query_async(&mut held.conn).await;
        self.judged(answer).await
    }

    async fn judged<T>(&self, answer: redis::RedisResult<T>) -> Res<T> {
        match answer {
            Ok(value) => Ok(value),
            Err(error) if error.code() == Some("STRAY") => {
                // Perhaps another server answers now.
                self.drop_connection().await;
                Err(RedisError::Stray)
            }
            Err(error) => {
                // Read only, loading, out of memory: the connection is sound. Else it may hold an
                // answer that belongs to a question we have given up.
                if error.code().is_none() {
                    self.drop_connection().await;
                }
                Err(error.into())
            }
        }
    }

    async fn drop_connection(&self) {
        *self.held.lock().await = None;
    }

    pub(super) async fn check(&self) -> Res<Vec<String>> {
        self.get().await?;
        let mut warnings = Vec::new();
        let setting = async |name: &str| -> Res<String> {
            // A managed server may refuse CONFIG: then nothing is known.
            let answer: Result<Vec<String>, _> =
                self.ask(redis::cmd("CONFIG").arg("GET").arg(name)).await;
            Ok(answer
                .ok()
                .and_then(|pair| pair.into_iter().nth(1))
                .unwrap_or_default())
        };
        if setting("appendonly").await? == "no" {
            warnings.push(
                "Redis runs without its append-only file: a restart loses every claim, and all unfinished jobs are handed to it again from PostgreSQL (kinds that are not durable are lost); set `appendonly yes`"
                    .to_owned(),
            );
        }
        let policy = setting("maxmemory-policy").await?;
        if !policy.is_empty() && policy != "noeviction" {
            warnings.push(format!(
                "Redis evicts keys when memory is short (maxmemory-policy {policy}): jobs would be lost from it until it is built again; set `maxmemory-policy noeviction`"
            ));
        }
        Ok(warnings)
    }
}

fn field(info: &str, name: &str) -> String {
    info.lines()
        .find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':'))
        .unwrap_or_default()
        .to_owned()
}

fn number(version: &str) -> (u32, u32) {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

/// Wake-ups by PUBLISH. Losing one is harmless: every claimer also looks once a second.
pub(super) async fn listen(link: &Link, keys: &Keys, wakes: &broadcast::Sender<QueueName>) {
    loop {
        if let Ok(mut pubsub) = link.client.get_async_pubsub().await
            && pubsub.subscribe(&keys.wake).await.is_ok()
        {
            let mut messages = pubsub.on_message();
            while let Some(message) = messages.next().await {
                let queue: Option<String> = message.get_payload().ok();
                if let Some(queue) = queue.as_deref().and_then(QueueName::parse) {
                    // No receiver means no worker here; nothing to wake.
                    let _ = wakes.send(queue);
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(number("6.0.16") < OLDEST);
        assert!(number("7.0.15") > OLDEST && number("10.1") > OLDEST);
        assert_eq!(number("nonsense"), (0, 0));
    }

    #[test]
    fn a_field_of_info_is_found_by_its_whole_name() {
        let info = "# Server\r\nredis_version:7.0.15\r\nrun_id:abc\r\n";
        assert_eq!(field(info, "run_id"), "abc");
        assert_eq!(field(info, "redis"), "");
    }
}
