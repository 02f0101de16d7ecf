//! `demo`: one whole night on private servers, with progress and a summary; then it serves.

mod faults;
mod summary;

use crate::instance::{Instance, SFTP_USER};
use crate::platform::{Platform, print_drain, told_to_stop};
use crate::sample::{self, SampleDealer};
use anyhow::{Result, bail, ensure};
use api::IndexTailer;
use embedded::Sandbox;
use indicatif::{ProgressBar, ProgressStyle};
use jobs::providers::ProviderOrder;
use partners::sftp::{self, SftpClient};
use partners::{SftpLogin, SftpSettings};
use queue::{Progress, Runs};
use secrecy::ExposeSecret;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use stores::{
    Changes, Dealers, Feeds, Keys, NewSource, Parents, Photos, Schedules, Scope, SourceRow, Sources,
};
use summary::Summary;
use tokio_util::sync::CancellationToken;

#[derive(Debug, clap::Args)]
pub(super) struct Demo {
    /// Exit after the night
    #[arg(long)]
    once: bool,
    /// `text`, or `json` for one JSON line last
    #[arg(long, default_value = "text")]
    summary: String,
    /// Units over all dealers
    #[arg(long, default_value_t = 400)]
    listings: usize,
    /// The same seed gives the same files
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Partners fail until the night is over: as this file says, or as docs/faults.yaml does
    #[arg(long)]
    faults: Option<Option<PathBuf>>,
}

const NIGHTLY: &str = "0 2 * * *";
const AFTER_THE_LOADS: &str = "0 5 * * *";
/// A night that has not ended by then is stuck.
const NIGHT_AT_MOST: Duration = Duration::from_secs(30 * 60);

impl Demo {
    pub(super) async fn run(self, data_dir: &Path) -> Result<ExitCode> {
        ensure!(
            matches!(self.summary.as_str(), "text" | "json"),
            "--summary is text or json, not {:?}",
            self.summary
        );
        let wanted = self
            .faults
            .as_ref()
            .map(|file| super::sandbox::faults_of(file.as_deref()))
            .transpose()?;
        let failing = wanted.is_some();
        let begun = Instant::now();
        if let Some(running) = Instance::running(data_dir)? {
            bail!(
                "an instance already serves this data directory on http://{}",
                running.listen
            );
        }
        eprintln!("starting private servers in {}", data_dir.display());
        let instance = Instance::start(data_dir).await?;
        let platform = Platform::connect(instance.config.clone()).await?;
        platform.migrate().await?;
        let key = furnish(&platform, &instance, self.seed, self.listings).await?;
        if let Some(wanted) = wanted {
            faults::begin(&platform, &instance, wanted, self.listings).await?;
        }
        let stop = CancellationToken::new();
        let workers = platform.work()?;
        let loops = jobs::loops::start(&platform.app, &stop);
        let (address, search, serving) = platform.serve(Some(workers.health()), &stop).await?;
        eprintln!(
            "ready after {:.1} s, serving on http://{address}",
            begun.elapsed().as_secs_f64()
        );

        drop_files(&instance, self.seed, self.listings).await?;
        let summary = night(&platform, &search, begun).await;
        if let Ok(summary) = &summary {
            self.print(summary, &format!("http://{address}"), &key, &instance)?;
            if failing {
                faults::end(&platform, &instance).await?;
            }
            if !self.once {
                told_to_stop().await;
            }
        }
        stop.cancel();
        print_drain(workers.drain(&platform.engine).await);
        loops.join_all().await;
        for task in serving {
            let _ = task.await;
        }
        drop(instance);
        let summary = summary?;
        if self.summary == "json" {
            println!("{}", serde_json::to_string(&summary)?);
        }
        Ok(if summary.jobs.dead == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    fn print(&self, summary: &Summary, url: &str, key: &str, instance: &Instance) -> Result<()> {
        if self.summary == "json" && !self.once {
            println!("{}", serde_json::to_string(summary)?);
        }
        if self.summary == "text" {
            println!("{}", summary.words());
            println!();
            println!("console    {url}/console/   (log in with the key)");
            println!("search     {url}/v2/search/vehicles?facets=make,body&sort=price_cents");
            println!("API key    {key}   (scope operate)");
            println!("jobs       curl -H 'Authorization: Bearer {key}' {url}/v2/jobs");
            println!("documents  {url}/openapi/v2.json");
            println!(
                "drop       sftp -P {} {SFTP_USER}@127.0.0.1   (password {})",
                instance.sftp.port,
                instance.sftp_password.expose_secret()
            );
        }
        Ok(())
    }
}

/// Dealers, sources, feeds, schedules and a key; on a second start they are there already. The
/// key is made anew: only its digest was kept.
async fn furnish(
    platform: &Platform,
    instance: &Instance,
    seed: u64,
    listings: usize,
) -> Result<String> {
    let mut tx = platform.app.pool.begin().await?;
    for sample in sample::dealers(seed, listings) {
        let dealer_id = Dealers::put(&mut tx, &sample.dealer).await?;
        let key = sample.dealer.key.clone();
        let secret = platform.app.sealer.seal(
            &SourceRow::purpose(&key),
            instance.sftp_password.expose_secret(),
        )?;
        let source = NewSource {
            kind: stores::SourceKind::Sftp,
            url: String::new(),
            key: key.clone(),
            dealer_id: Some(dealer_id),
            create_dealers: false,
            max_removed_percent: stores::MOST_REMOVED_PERCENT,
            host: "127.0.0.1".to_owned(),
            port: instance.sftp.port,
            username: SFTP_USER.to_owned(),
            secret,
            host_key: instance.sftp.fingerprint.clone(),
            folder: format!("/{key}"),
            pattern: "*.csv".to_owned(),
            mapping: sample.mapping.to_owned(),
            terms: stores::Terms::default(),
        };
        Sources::put(&mut tx, &source).await?;
        let args = serde_json::json!({ "source": key });
        let zone = &sample.dealer.time_zone;
        Schedules::ensure(
            &mut tx,
            &format!("pull-{key}"),
            NIGHTLY,
            zone,
            "pull_source",
            &args,
        )
        .await?;
    }
    let placeholder = blake3::hash(&embedded::Sandbox::placeholder());
    let digest = placeholder.to_hex().to_string();
    Photos::add_placeholder(&mut tx, &digest, "demo").await?;
    for (key, text) in feeds::BUILT_IN {
        let definition = feeds::Definition::parse(text)?;
        Feeds::put(
            &mut tx,
            key,
            &definition.name,
            &serde_json::to_value(&definition)?,
        )
        .await?;
        let args = serde_json::json!({ "feed": key });
        Schedules::ensure(
            &mut tx,
            &format!("feed-{key}"),
            AFTER_THE_LOADS,
            "UTC",
            "build_feed",
            &args,
        )
        .await?;
    }
    // The demo's dealers sold their units this very night; others keep them for a quarter.
    let at_once = serde_json::json!({ "after_days": 0 });
    let (key, cron) = jobs::upkeep::ARCHIVE;
    Schedules::ensure(&mut tx, key, cron, "UTC", "archive_listings", &at_once).await?;
    jobs::upkeep::ensure(&mut tx).await?;
    for key in Keys::list(&mut tx)
        .await?
        .iter()
        .filter(|key| key.name == "demo")
    {
        Keys::revoke(&mut tx, key.id).await?;
    }
    let key = Keys::create(&mut tx, "demo", Scope::Operate).await?;
    tx.commit().await?;
    ask_the_sandbox(platform).await?;
    Ok(key)
}

/// The sandbox's services are providers, unless an operator made them something else.
async fn ask_the_sandbox(platform: &Platform) -> Result<()> {
    let orders: BTreeMap<String, ProviderOrder> = serde_json::from_str(Sandbox::PROVIDERS)?;
    for (name, order) in orders {
        let mut conn = platform.app.pool.acquire().await?;
        let known = stores::Providers::find(&mut conn, &name).await?;
        drop(conn);
        if known.is_none() {
            jobs::providers::put(&platform.app, &name, order, "demo").await?;
        }
    }
    Ok(())
}

/// As dealers do: over SFTP.
async fn drop_files(instance: &Instance, seed: u64, listings: usize) -> Result<()> {
    let settings = SftpSettings {
        host: "127.0.0.1".to_owned(),
        port: instance.sftp.port,
        username: SFTP_USER.to_owned(),
        login: SftpLogin::Password(instance.sftp_password.clone()),
        host_key: instance.sftp.fingerprint.clone(),
        answer: sftp::ANSWER,
    };
    tokio::task::spawn_blocking(move || {
        let client = SftpClient::connect(&settings)?;
        for SampleDealer { dealer, files, .. } in sample::dealers(seed, listings) {
            let folder = format!("/{}", dealer.key);
            client.make_folder(&folder)?;
            for (file, bytes) in files {
                client.put(&folder, file, &bytes)?;
                eprintln!("dropped {folder}/{file} ({} bytes)", bytes.len());
            }
        }
        Ok(())
    })
    .await?
}

/// The nightly ticks fire now, in the order of their hours.
async fn night(platform: &Platform, search: &IndexTailer, begun: Instant) -> Result<Summary> {
    let since = stores::now(&mut *platform.app.pool.acquire().await?).await?;
    let mut runs = stage(platform, "pull_source", "loading").await?;
    settle(platform, search).await?;
    runs.extend(stage(platform, "build_feed", "building feeds").await?);
    runs.extend(stage(platform, "archive_listings", "archiving").await?);
    runs.extend(stage(platform, "prune_history", "tidying up").await?);
    settle(platform, search).await?;
    summary::summarise(platform, search, &runs, since, begun).await
}

/// Fires every schedule of a kind and waits until all that follows has ended.
async fn stage(platform: &Platform, kind: &str, words: &'static str) -> Result<Vec<i64>> {
    let schedules = Schedules::list(&mut *platform.app.pool.acquire().await?).await?;
    let mut runs = Vec::new();
    for schedule in schedules.iter().filter(|schedule| schedule.kind == kind) {
        let fired = jobs::loops::fire(&platform.app, schedule, "the demo").await?;
        runs.extend(fired.map(|(_, run)| run));
    }
    let style = ProgressStyle::with_template("{prefix:>14} [{bar:40}] {pos}/{len} jobs  {msg}")?;
    let bar = ProgressBar::new(0).with_style(style).with_prefix(words);
    let begun = Instant::now();
    let progress = loop {
        // What an earlier, killed night left behind must end too.
        let progress = everything(platform, &runs).await?;
        let left = u64::try_from(progress.waiting + progress.running).unwrap_or(0);
        let done = u64::try_from(progress.done + progress.dead).unwrap_or(0);
        bar.set_length(done + left);
        bar.set_position(done);
        if left == 0 {
            break progress;
        }
        ensure!(
            begun.elapsed() < NIGHT_AT_MOST,
            "the night is stuck: {left} jobs do not end, see `forecourt jobs list`"
        );
        tokio::time::sleep(Duration::from_millis(25)).await;
    };
    bar.finish();
    if bar.is_hidden() {
        eprintln!(
            "{words}: {} jobs done, {} dead",
            progress.done, progress.dead
        );
    }
    Ok(runs)
}

async fn everything(platform: &Platform, runs: &[i64]) -> Result<Progress> {
    let mut conn = platform.app.pool.acquire().await?;
    let mut progress = Runs::progress(&mut conn, runs).await?;
    let others = Runs::unfinished(&mut conn).await?;
    progress.waiting = progress.waiting.max(others - progress.running);
    Ok(progress)
}

/// Until nothing is due, parents are together and search shows what was loaded.
async fn settle(platform: &Platform, search: &IndexTailer) -> Result<()> {
    let begun = Instant::now();
    loop {
        let mut conn = platform.app.pool.acquire().await?;
        let (waiting, position) = (
            Changes::unstamped(&mut conn).await?,
            Changes::position(&mut conn).await?,
        );
        let parents_wait = !Parents::dirty(&mut conn, 0, 1).await?.is_empty();
        let due = Runs::due(&mut conn).await?;
        drop(conn);
        if waiting == 0
            && !parents_wait
            && due == 0
            && search.ready()
            && search.index.snapshot().position >= position
        {
            return Ok(());
        }
        ensure!(
            begun.elapsed() < NIGHT_AT_MOST,
            "the night does not settle: jobs stay due, or search does not catch up with the change log"
        );
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}
