//! What may be set without a database: the queue's engine, pools, concurrency, time for a drain.

use anyhow::bail;
use queue::{QueueName, QueueSettings, WorkerSettings};
use secrecy::SecretString;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

#[derive(Clone, Debug)]
pub(crate) struct Tuning {
    pub(crate) engine: EngineChoice,
    pub(crate) pools: Pools,
    pub(crate) workers: WorkerSettings,
    /// Where alerts are told, beside the console.
    pub(crate) alert_webhook: Option<String>,
    /// Health and metrics, without an API.
    pub(crate) watch: Option<SocketAddr>,
    /// Hosts that may be asked, and those that never are; see `partners::FetchSettings`.
    pub(crate) fetch_allow: Vec<String>,
    pub(crate) fetch_deny: Vec<String>,
    /// Where `forecourt sandbox` serves the hosts that are its.
    pub(crate) sandbox: Option<SocketAddr>,
}

#[derive(Clone, Debug)]
pub(crate) enum EngineChoice {
    Postgres,
    Redis { url: SecretString, prefix: String },
}

/// Connections of each role: a request never waits behind a load, a lease never behind a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pools {
    pub(crate) api: Pool,
    pub(crate) work: Pool,
    pub(crate) engine: Pool,
    pub(crate) leases: Pool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pool {
    pub(crate) name: &'static str,
    pub(crate) connections: u32,
    pub(crate) statement: Duration,
    pub(crate) lock: Duration,
}

const fn pool(name: &'static str, connections: u32, statement: u64, lock: u64) -> Pool {
    Pool {
        name,
        connections,
        statement: Duration::from_secs(statement),
        lock: Duration::from_secs(lock),
    }
}

impl Default for Pools {
    fn default() -> Self {
        Self {
            api: pool("forecourt api", 8, 15, 5),
            work: pool("forecourt work", 24, 600, 10),
            engine: pool("forecourt engine", 10, 30, 10),
            leases: pool("forecourt leases", 2, 5, 2),
        }
    }
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            engine: EngineChoice::Postgres,
            pools: Pools::default(),
            workers: WorkerSettings::default(),
            alert_webhook: None,
            watch: None,
            fetch_allow: Vec::new(),
            fetch_deny: Vec::new(),
            sandbox: None,
        }
    }
}

impl Tuning {
    /// Every problem at once.
    pub(crate) fn from_env() -> anyhow::Result<Self> {
        let mut problems = Vec::new();
        let tuning = Self::read(&crate::config::value, &mut problems);
        if problems.is_empty() {
            return Ok(tuning);
        }
        let mut text = format!("{} problems with the configuration:", problems.len());
        for problem in problems {
            let _ = write!(text, "\n  - {problem}");
        }
        bail!(text)
    }

    pub(crate) fn read(value: &dyn Fn(&str) -> Option<String>, problems: &mut Vec<String>) -> Self {
        let mut tuning = Self {
            engine: engine(value, problems),
            ..Self::default()
        };
        let pools = &mut tuning.pools;
        for (variable, set) in [
            ("FORECOURT_POOLS", set_connections as fn(&mut Pool, u32)),
            ("FORECOURT_STATEMENT_SECONDS", |pool, seconds| {
                pool.statement = Duration::from_secs(seconds.into());
            }),
            ("FORECOURT_LOCK_SECONDS", |pool, seconds| {
                pool.lock = Duration::from_secs(seconds.into());
            }),
        ] {
            for (role, number) in pairs(variable, value, problems) {
                let pool = match role.as_str() {
                    "api" => &mut pools.api,
                    "work" => &mut pools.work,
                    "engine" => &mut pools.engine,
                    _ => {
                        problems.push(format!(
                            "{variable}: no role is called {role:?} (api, work, engine)"
                        ));
                        continue;
                    }
                };
                set(pool, number);
            }
        }
        if pools.engine.connections < 4 {
            problems.push("FORECOURT_POOLS: engine needs at least 4 connections".to_owned());
        }
        for (name, concurrency) in pairs("FORECOURT_CONCURRENCY", value, problems) {
            let Some(queue) = QueueName::parse(&name) else {
                problems.push(format!(
                    "FORECOURT_CONCURRENCY: no queue is called {name:?}"
                ));
                continue;
            };
            let concurrency = usize::try_from(concurrency).unwrap_or(usize::MAX);
            let queues = &mut tuning.workers.queues;
            queues.retain(|settings| settings.queue != queue);
            queues.push(QueueSettings::slow(queue, concurrency));
        }
        if let Some(text) = value("FORECOURT_QUEUES") {
            let names: Vec<&str> = text.split(',').map(str::trim).collect();
            for name in names.iter().filter(|name| QueueName::parse(name).is_none()) {
                problems.push(format!("FORECOURT_QUEUES: no queue is called {name:?}"));
            }
            tuning
                .workers
                .queues
                .retain(|settings| names.contains(&settings.queue.as_str()));
        }
        if let Some(text) = value("FORECOURT_GRACE_SECONDS") {
            match text.trim().parse() {
                Ok(seconds) => tuning.workers.grace = Duration::from_secs(seconds),
                Err(_) => problems.push(format!(
                    "FORECOURT_GRACE_SECONDS: {text:?} is no number of seconds"
                )),
            }
        }
        if let Some(text) = value("FORECOURT_WATCH_LISTEN") {
            tuning.watch = text.trim().parse().ok();
            if tuning.watch.is_none() {
                problems.push(format!(
                    "FORECOURT_WATCH_LISTEN: {text:?} is no address like 0.0.0.0:9100"
                ));
            }
        }
        if let Some(text) = value("FORECOURT_SANDBOX") {
            tuning.sandbox = text.trim().parse().ok();
            if tuning.sandbox.is_none() {
                problems.push(format!(
                    "FORECOURT_SANDBOX: {text:?} is no address like 127.0.0.1:8090"
                ));
            }
        }
        tuning.fetch_allow = hosts("FORECOURT_FETCH_ALLOW", value, problems);
        tuning.fetch_deny = hosts("FORECOURT_FETCH_DENY", value, problems);
        tuning.alert_webhook = value("FORECOURT_ALERT_WEBHOOK");
        if let Some(url) = &tuning.alert_webhook
            && !(url.starts_with("https://") || url.starts_with("http://"))
        {
            problems.push("FORECOURT_ALERT_WEBHOOK is not a URL".to_owned());
        }
        tuning
    }
}

/// `photos.example.com,.dealer.com`: a host, or one and all below it.
fn hosts(
    variable: &str,
    value: &dyn Fn(&str) -> Option<String>,
    problems: &mut Vec<String>,
) -> Vec<String> {
    let text = value(variable).unwrap_or_default();
    let hosts: Vec<String> = text
        .split(',')
        .map(|host| host.trim().to_ascii_lowercase())
        .filter(|host| !host.is_empty())
        .collect();
    for host in hosts.iter().filter(|host| host.contains(['/', ':', '*'])) {
        problems.push(format!(
            "{variable}: {host:?} is no host like photos.example.com or .example.com"
        ));
    }
    hosts
}

fn set_connections(pool: &mut Pool, connections: u32) {
    pool.connections = connections;
}

fn engine(value: &dyn Fn(&str) -> Option<String>, problems: &mut Vec<String>) -> EngineChoice {
    let url = value("REDIS_URL");
    if let Some(url) = &url
        && !(url.starts_with("redis://") || url.starts_with("rediss://"))
    {
        problems.push("REDIS_URL does not start with redis:// or rediss://".to_owned());
    }
    match value("FORECOURT_QUEUE").as_deref() {
        None | Some("postgres") => EngineChoice::Postgres,
        Some("redis") => match url {
            Some(url) => EngineChoice::Redis {
                url: url.into(),
                prefix: value("FORECOURT_REDIS_PREFIX").unwrap_or_else(|| "forecourt".to_owned()),
            },
            None => {
                problems.push("FORECOURT_QUEUE is redis, and REDIS_URL is not set".to_owned());
                EngineChoice::Postgres
            }
        },
        Some(other) => {
            problems.push(format!(
                "FORECOURT_QUEUE: no engine is called {other:?} (postgres, redis)"
            ));
            EngineChoice::Postgres
        }
    }
}

/// `name=number,name=number`, the numbers above 0.
fn pairs(
    variable: &str,
    value: &dyn Fn(&str) -> Option<String>,
    problems: &mut Vec<String>,
) -> Vec<(String, u32)> {
    let text = value(variable).unwrap_or_default();
    let mut found = Vec::new();
    for part in text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let parsed = part
            .split_once('=')
            .and_then(|(name, number)| Some((name.trim().to_owned(), number.trim().parse().ok()?)));
        match parsed {
            Some((name, number)) if number > 0 => found.push((name, number)),
            _ => problems.push(format!(
                "{variable}: {part:?} is not name=number, with a number above 0"
            )),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(set: &[(&str, &str)]) -> (Tuning, Vec<String>) {
        let mut problems = Vec::new();
        let value = |name: &str| {
            let found = set.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        (Tuning::read(&value, &mut problems), problems)
    }

    #[test]
    fn pools_and_concurrency_are_read_by_name() {
        let (tuning, problems) = read(&[
            ("FORECOURT_POOLS", "api=20, work=40"),
            ("FORECOURT_STATEMENT_SECONDS", "api=3"),
            ("FORECOURT_CONCURRENCY", "photos=9"),
            ("FORECOURT_QUEUES", "photos,index"),
            ("FORECOURT_GRACE_SECONDS", "7"),
            ("FORECOURT_FETCH_ALLOW", "Photos.example.com, .dealer.com"),
        ]);
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(tuning.fetch_allow, ["photos.example.com", ".dealer.com"]);
        assert_eq!(tuning.pools.api.connections, 20);
        assert_eq!(tuning.pools.work.connections, 40);
        assert_eq!(tuning.pools.api.statement, Duration::from_secs(3));
        assert_eq!(tuning.workers.queues.len(), 2);
        let photos = tuning
            .workers
            .queues
            .iter()
            .find(|q| q.queue == QueueName::Photos);
        assert_eq!(photos.map(|q| q.concurrency), Some(9));
        assert_eq!(tuning.workers.grace, Duration::from_secs(7));
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let (_, problems) = read(&[
            ("FORECOURT_QUEUE", "rabbit"),
            ("REDIS_URL", "localhost"),
            ("FORECOURT_POOLS", "api=0,engine=2,cellar=4"),
            ("FORECOURT_CONCURRENCY", "barn=2"),
            ("FORECOURT_QUEUES", "photos,shed"),
            ("FORECOURT_GRACE_SECONDS", "soon"),
            ("FORECOURT_ALERT_WEBHOOK", "mailto:ops"),
            ("FORECOURT_FETCH_DENY", "*.example.com"),
        ]);
        assert_eq!(problems.len(), 10, "{problems:#?}");
    }

    #[test]
    fn redis_without_its_address_is_a_problem() {
        let (_, problems) = read(&[("FORECOURT_QUEUE", "redis")]);
        assert_eq!(problems.len(), 1);
        let (tuning, problems) =
            read(&[("FORECOURT_QUEUE", "redis"), ("REDIS_URL", "redis://h:1")]);
        assert!(problems.is_empty() && matches!(tuning.engine, EngineChoice::Redis { .. }));
    }
}
