//! Which jobs: by number, or by a filter that is previewed before anything is done.

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use jobs::App;
use queue::{BulkAction, Bulks, JobFilter, JobState};
use stores::PgConnection;

#[derive(Debug, clap::Args)]
pub(super) struct Selection {
    /// scheduled, ready, running, done, dead or cancelled
    #[arg(long)]
    state: Option<String>,
    #[arg(long)]
    kind: Option<String>,
    #[arg(long)]
    queue: Option<String>,
    /// Whom they call
    #[arg(long)]
    partner: Option<String>,
    #[arg(long)]
    run: Option<i64>,
    /// Contained in the arguments: '{"source":"bayview"}'
    #[arg(long)]
    args: Option<String>,
    /// Words of the error, or of the reason they wait for
    #[arg(long)]
    words: Option<String>,
    /// Enqueued at or after, as 2026-11-20T00:00:00Z
    #[arg(long)]
    since: Option<Timestamp>,
    /// Enqueued before
    #[arg(long)]
    until: Option<Timestamp>,
}

impl Selection {
    pub(super) fn filter(self, ids: Vec<i64>) -> Result<JobFilter> {
        let state = self.state.map(|word| {
            JobState::parse(&word).with_context(|| format!("no state is called {word:?}"))
        });
        let args = self
            .args
            .map(|text| serde_json::from_str(&text).context("--args is not JSON"));
        Ok(JobFilter {
            state: state.transpose()?,
            kind: self.kind,
            queue: self.queue,
            partner: self.partner,
            run_id: self.run,
            args: args.transpose()?,
            words: self.words,
            since: self.since,
            until: self.until,
            ids: (!ids.is_empty()).then_some(ids),
        })
    }
}

/// Jobs by number are dealt with at once; a filter says what it would touch until `--yes` is given.
#[derive(Debug, clap::Args)]
pub(super) struct Which {
    ids: Vec<i64>,
    #[command(flatten)]
    selection: Selection,
    /// Do it: without this a filter only shows what it would touch
    #[arg(long)]
    yes: bool,
    /// A filter that matches everything is meant
    #[arg(long)]
    all: bool,
}

impl Which {
    pub(super) async fn act(self, app: &App, action: BulkAction) -> Result<()> {
        let by_number = !self.ids.is_empty();
        let filter = self.selection.filter(self.ids)?;
        let mut conn = app.pool.acquire().await?;
        if !by_number && !self.yes {
            let preview = Bulks::preview(&mut conn, &action, &filter).await?;
            println!("{} would touch {} jobs", action.as_str(), preview.jobs);
            for (partner, jobs) in preview.by_partner.iter().filter(|(p, _)| !p.is_empty()) {
                println!("  {jobs:>8} call {partner}");
            }
            for (id, kind, state) in preview.sample {
                println!("  {id:>8}  {kind:<16}  {state}");
            }
            println!("add --yes to do it");
            return Ok(());
        }
        drop(conn);
        let who = crate::commands::operator();
        let (bulk, job) = jobs::act_on_jobs::accept(app, &action, &filter, self.all, &who).await?;
        if !by_number {
            println!(
                "bulk action {} on {} jobs, as job {job}: see `forecourt jobs bulk {}`",
                bulk.id, bulk.matched, bulk.id
            );
            return Ok(());
        }
        // A few jobs are not worth waiting for a worker; its job will find nothing left.
        let kinds = jobs::catalogue();
        let kind_of = |kind: &str, args: &serde_json::Value| kinds.revival(kind, args);
        while Bulks::step(&app.engine, bulk.id, &kind_of).await? {}
        let mut conn = app.pool.acquire().await?;
        let results = Bulks::results(&mut conn, bulk.id, None, 1_000).await?;
        for (id, result) in &results {
            println!("job {id}: {result}");
        }
        let missing: Vec<i64> = filter
            .ids
            .unwrap_or_default()
            .into_iter()
            .filter(|id| results.iter().all(|(found, _)| found != id))
            .collect();
        if !missing.is_empty() {
            let states: Vec<&str> = action.states().iter().map(|state| state.as_str()).collect();
            bail!("no such job that is {}: {missing:?}", states.join(" or "));
        }
        Ok(())
    }
}

/// By the store's clock.
pub(super) async fn seconds_until(conn: &mut PgConnection, word: &str) -> Result<f64> {
    if word == "now" {
        return Ok(0.0);
    }
    let at: Timestamp = word
        .parse()
        .with_context(|| format!("--to {word:?} is neither `now` nor a moment"))?;
    let now = stores::now(conn).await?;
    Ok(at.duration_since(now).as_secs_f64().max(0.0))
}

pub(super) async fn print_bulk(conn: &mut PgConnection, id: i64, json: bool) -> Result<()> {
    let bulk = Bulks::find(conn, id)
        .await?
        .with_context(|| format!("there is no bulk action {id}"))?;
    if json {
        println!("{}", serde_json::to_string(&bulk)?);
        return Ok(());
    }
    println!(
        "{} by {} on {}: {} matched, {} done, {} skipped, {}",
        bulk.action.as_str(),
        bulk.who,
        serde_json::to_string(&bulk.filter)?,
        bulk.matched,
        bulk.done,
        bulk.skipped,
        bulk.ended_at
            .map_or("under way".to_owned(), |at| format!("ended {at:.0}"))
    );
    for (job, result) in Bulks::results(conn, id, None, 100).await? {
        println!("  {job:>8}  {result}");
    }
    Ok(())
}
