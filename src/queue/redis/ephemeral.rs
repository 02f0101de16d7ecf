//! What Redis keeps only as long as it is convenient: throttles, and locks that save work but guard nothing.

use super::keys::Keys;
use super::link::Link;
use super::{RedisEngine, RedisError, Res};
use redis::Script;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

static THROTTLE: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/throttle.lua")));
static RELEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "-- Only its owner lets a lock go.\nif redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0",
    )
});

#[derive(Clone)]
pub struct Bucket {
    link: Link,
    keys: Arc<Keys>,
}

impl RedisEngine {
    pub fn bucket(&self) -> Bucket {
        Bucket {
            link: self.link.clone(),
            keys: self.keys.clone(),
        }
    }
}

impl Bucket {
    /// Whether it was taken, and the seconds to wait.
    pub(crate) async fn take(&self, name: &str, rate: f64, longest: Duration) -> Res<(bool, f64)> {
        let mut script = THROTTLE.prepare_invoke();
        script
            .key(self.keys.other("throttle", name))
            .arg(rate)
            .arg(rate.max(1.0))
            .arg(longest.as_secs_f64());
        let (taken, wait): (String, String) = self.link.run(&script).await?;
        let seconds = wait.parse();
        Ok((
            taken == "1",
            seconds.map_err(|_| RedisError::Answer(wait.clone()))?,
        ))
    }

    /// `SET NX PX`; whether it is ours now.
    pub(crate) async fn lock(&self, name: &str, owner: &str, hold: Duration) -> Res<bool> {
        let set: Option<String> = self
            .link
            .ask(
                redis::cmd("SET")
                    .arg(self.keys.other("lock", name))
                    .arg(owner)
                    .arg("NX")
                    .arg("PX")
                    .arg(u64::try_from(hold.as_millis()).unwrap_or(u64::MAX)),
            )
            .await?;
        Ok(set.is_some())
    }

    /// Compare and delete.
    pub(crate) async fn unlock(&self, name: &str, owner: &str) -> Res<bool> {
        let mut script = RELEASE.prepare_invoke();
        script.key(self.keys.other("lock", name)).arg(owner);
        Ok(self.link.run::<i64>(&script).await? == 1)
    }
}
