//! `load`: one file into the stock, now, with every row accounted for.

mod agreement;

use crate::station::{Performed, Station};
use agreement::Agreement;
use anyhow::{Context, Result, bail, ensure};
use ingest::{Holds, Mapping};
use queue::Enqueue;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use stores::{Dealers, FileCounts, FileState, Files, NewFile, SourceFile, SourceKind, Sources};

#[derive(Debug, clap::Args)]
pub(super) struct Load {
    file: PathBuf,
    /// How to read it: see `forecourt mappings list`; a YAML file is put as a mapping of its name
    #[arg(long)]
    mapping: String,
    /// Whose units they are; made when nobody has this key
    #[arg(long, conflicts_with = "create_dealers")]
    dealer: Option<String>,
    /// Make the dealers that the rows name
    #[arg(long)]
    create_dealers: bool,
    /// Apply it even if it removes much of the stock
    #[arg(long)]
    force: bool,
    /// One JSON line last
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    file: i64,
    state: FileState,
    #[serde(skip_serializing_if = "Option::is_none")]
    held_reason: Option<String>,
    counts: FileCounts,
    /// Loaded, rejected and duplicate rows make up all rows.
    balanced: bool,
    /// Refused values and rows by rule.
    rejects: BTreeMap<String, u64>,
    vins: Agreement,
    jobs_dead: i64,
    seconds: f64,
}

/// The same limit as a drop's.
const LARGEST_FILE: u64 = partners::sftp::LARGEST_FILE;

impl Load {
    /// There is one, and it or we say whose units they are.
    async fn check_mapping(&self, station: &Station) -> Result<()> {
        let mut conn = station.platform.app.pool.acquire().await?;
        let (mapping, _) = jobs::mappings::find(&mut conn, &self.mapping).await?;
        self.check(&mapping, &self.mapping)
    }

    fn check(&self, mapping: &Mapping, name: &str) -> Result<()> {
        ensure!(
            self.dealer.is_some() || mapping.dealer.is_some() || mapping.holds == Holds::Reports,
            "mapping {name} has no column that says whose units they are: give --dealer"
        );
        Ok(())
    }

    /// A mapping that lies in a file is one of ours from now on, in a new version where it has changed.
    async fn keep_mapping(&mut self, station: &Station) -> Result<()> {
        let file = Path::new(&self.mapping);
        let yaml = file
            .extension()
            .is_some_and(|ending| ending == "yaml" || ending == "yml");
        let (true, Some(name)) = (yaml, file.file_stem()) else {
            return Ok(());
        };
        let name = name.to_string_lossy().into_owned();
        let text =
            std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
        self.check(&Mapping::parse(&name, &text)?, &name)?;
        let (app, who) = (&station.platform.app, super::operator());
        let mut conn = app.pool.acquire().await?;
        let known = stores::OwnMappings::newest(&mut conn, &name).await?;
        let changed = known.is_some_and(|known| known.yaml != text);
        for source in Sources::list(&mut conn).await? {
            ensure!(
                !changed || source.mapping != name || source.kind == SourceKind::Upload,
                "mapping {name} is what source {} is read by: `mappings put {name} {}` changes it for every file to come",
                source.key,
                file.display()
            );
        }
        drop(conn);
        let version = jobs::mappings::put(app, &name, &text, &who).await?;
        eprintln!("mapping {name}, version {version}");
        self.mapping = name;
        Ok(())
    }

    pub(super) async fn run(mut self, data_dir: &Path) -> Result<ExitCode> {
        let size = std::fs::metadata(&self.file)
            .with_context(|| format!("read {}", self.file.display()))?
            .len();
        ensure!(
            size <= LARGEST_FILE,
            "{} has {size} bytes, a file may have {LARGEST_FILE}",
            self.file.display()
        );
        let station = Station::open(data_dir).await?;
        let done = async {
            self.keep_mapping(&station).await?;
            self.check_mapping(&station).await?;
            self.load(&station).await
        };
        let done = done.await;
        station.close().await;
        let report = done?;
        if self.json {
            println!("{}", serde_json::to_string(&report)?);
        } else {
            println!("{}", words(&report));
        }
        let good = report.state == FileState::Loaded && report.balanced && report.jobs_dead == 0;
        Ok(if good {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    async fn load(&self, station: &Station) -> Result<Report> {
        let begun = Instant::now();
        let (file, begun_jobs) = self.hand_in(station).await?;
        let progress = station.finish(begun_jobs, "loading").await?.progress;
        let mut conn = station.platform.app.pool.acquire().await?;
        let loaded = Files::get(&mut conn, file).await?;
        let mut rejects = BTreeMap::new();
        for reject in Files::rejects(&mut conn, file).await? {
            *rejects.entry(reject.rule).or_default() += 1;
        }
        let vins = agreement::of_file(&mut conn, file).await?;
        Ok(report(loaded, rejects, vins, progress.dead, begun))
    }

    /// Keeps the raw bytes, then writes the file's row and its load in one transaction: a file that
    /// nobody loads would stand in the way of every later one.
    async fn hand_in(&self, station: &Station) -> Result<(i64, Performed)> {
        let app = &station.platform.app;
        let kept = jobs::raw::keep(app, &self.file).await?;
        let mut tx = app.pool.begin().await?;
        let dealer_id = match &self.dealer {
            Some(key) => Some(dealer(&mut tx, key).await?),
            None => None,
        };
        let whose = self.dealer.as_deref().unwrap_or("many");
        let key = format!("upload-{}-{whose}", self.mapping);
        let source =
            Sources::put_upload(&mut tx, &key, dealer_id, &self.mapping, self.create_dealers)
                .await?;
        let name = self.file.file_name().map(|n| n.to_string_lossy());
        let record = NewFile {
            source_id: source,
            name: name.unwrap_or_default().into_owned(),
            digest: kept.digest.clone(),
            bytes: kept.bytes,
            modified_at: None,
            object_key: kept.object_key.clone(),
        };
        jobs::raw::still_kept(&mut tx, app, &self.file, &kept).await?;
        let file = Files::record_upload(&mut tx, &record, self.force.then_some("--force")).await?;
        let order = Enqueue::of(&jobs::LoadFile { file })?;
        let name = self.file.display().to_string();
        let begun = station
            .begin(&mut tx, "forecourt load", &name, vec![order])
            .await?;
        tx.commit().await?;
        Ok((file, begun))
    }
}

async fn dealer(conn: &mut stores::PgConnection, key: &str) -> Result<i64> {
    if let Some(dealer) = Dealers::find(conn, key).await? {
        return Ok(dealer.id);
    }
    let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if key.is_empty() || !key.chars().all(sound) {
        bail!("a dealer's key has a-z, 0-9, - and _ only, {key:?} has not");
    }
    let dealer = domain::Dealer {
        key: key.to_owned(),
        name: key.to_owned(),
        store_code: key.to_owned(),
        country: "US".to_owned(),
        time_zone: "UTC".to_owned(),
        ..domain::Dealer::default()
    };
    Ok(Dealers::put(conn, &dealer).await?)
}

fn report(
    file: SourceFile,
    rejects: BTreeMap<String, u64>,
    vins: Agreement,
    jobs_dead: i64,
    begun: Instant,
) -> Report {
    let counts = file.counts;
    let loaded = counts.created + counts.updated + counts.unchanged;
    Report {
        file: file.id,
        state: file.state,
        held_reason: file.held_reason,
        balanced: loaded + counts.rejected + counts.duplicates == counts.rows,
        counts,
        rejects,
        vins,
        jobs_dead,
        seconds: begun.elapsed().as_secs_f64(),
    }
}

fn words(report: &Report) -> String {
    let counts = &report.counts;
    let of_its_rows = format!(
        "{} rows = {} created + {} updated + {} unchanged + {} rejected + {} duplicate",
        counts.rows,
        counts.created,
        counts.updated,
        counts.unchanged,
        counts.rejected,
        counts.duplicates
    );
    let became = match (report.state, report.balanced) {
        (FileState::Held, _) if counts.rows == 0 => "none of its rows was applied",
        (_, true) => &of_its_rows,
        (_, false) => &format!("{of_its_rows}  (DOES NOT ADD UP)"),
    };
    let mut lines = vec![format!(
        "file {}     {}, {became}",
        report.file,
        report.state.as_str()
    )];
    if let Some(reason) = &report.held_reason {
        let help = if report.rejects.contains_key("guard") {
            "; --force applies it all the same"
        } else {
            ""
        };
        lines.push(format!("held       {reason}{help}"));
    }
    if counts.removed > 0 {
        lines.push(format!(
            "removed    {} units the file no longer has",
            counts.removed
        ));
    }
    for (rule, count) in &report.rejects {
        lines.push(format!("reject     {count:>6}  {rule}"));
    }
    lines.extend(report.vins.words());
    lines.push(format!("time       {:.1} s", report.seconds));
    lines.join("\n")
}
