//! One subcommand a file.

mod archive;
mod bench;
mod check;
mod dealers;
mod demo;
mod doctor;
mod feeds;
mod jobs;
mod keys;
mod listings;
mod load;
mod mappings;
mod migrate;
mod openapi;
mod partners;
mod photo;
mod providers;
mod queues;
mod reports;
mod runs;
mod sample;
mod sandbox;
mod schedules;
mod sources;
mod up;
mod vin;
mod workers;

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// The stockroom of dealer groups and listing sites.
#[derive(Debug, Parser)]
#[command(name = "forecourt", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Args)]
struct Global {
    /// Data directory of the embedded default [default: /var/lib/forecourt as root, else the user's data folder]
    #[arg(long, global = true)]
    data_dir: Option<PathBuf>,
}

impl Global {
    fn data_dir(&self) -> PathBuf {
        self.data_dir
            .clone()
            .unwrap_or_else(crate::config::data_dir)
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run one whole night on private servers, then keep serving
    Demo(demo::Demo),
    /// Serve, work and schedule in one process
    Up,
    /// Serve the API only
    Serve,
    /// Run jobs only
    Work,
    /// Make ticks and dispatch changes only
    Schedule,
    /// Rooftops: make or change one, list them
    Dealers(dealers::Dealers),
    /// Dealers' drops: make or change one, pull it, see its files
    Sources(sources::Sources),
    /// One unit, whose word each field is; an operator's word; contradictions
    Listings(listings::Listings),
    /// What the stock did over time: age, price drops, doubles, everywhere a unit stood
    Reports(reports::Reports),
    /// Feeds: list them, build one, see its runs
    Feeds(feeds::Feeds),
    /// Load one file into the stock, now
    Load(load::Load),
    /// How files are read; try one on a file
    Mappings(mappings::Mappings),
    /// Decode VINs and show what they say
    Vin(vin::DecodeVin),
    /// Fingerprint photos, find those that look alike
    Photo(photo::Photo),
    /// Units that left the lot long ago: find them, bring them back
    Archive(archive::Archive),
    /// Look at jobs, ask why one does not run; retry, cancel, delete, reprioritise, move them
    Jobs(jobs::Jobs),
    /// What one cause started, and how far it is
    Runs(runs::Runs),
    /// What is wrong now, and the command that mends it
    Doctor(doctor::Doctor),
    /// Queues: depth and latency, what is open, pause, resume, limit
    Queues(queues::Queues),
    /// The processes that run jobs
    Workers(workers::Workers),
    /// The nightly clock: schedules and their ticks, pause, edit, run now, backfill
    Schedules(schedules::Schedules),
    /// Whom we call: breakers and budgets, isolate, close, probe
    Partners(partners::Partners),
    /// Services that are asked about vehicles, or take their photos
    Providers(providers::Providers),
    /// API keys: create, list, revoke
    Keys(keys::Keys),
    /// Report everything that is wrong with the set-up, at once
    Check(check::Check),
    /// Bring the database up to date
    Migrate,
    /// Write the OpenAPI documents
    Openapi(openapi::Openapi),
    /// Write the demo's dealer files to a folder
    Sample(sample::Sample),
    /// Serve partners to try things on: they answer as real ones do, and fail as told
    Sandbox(sandbox::Serve),
    /// Measure
    Bench(bench::Bench),
}

pub(crate) async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let global = cli.global;
    match cli.command {
        Command::Demo(demo) => demo.run(&global.data_dir()).await,
        Command::Up => {
            up::run(
                &global.data_dir(),
                up::Roles {
                    serve: true,
                    work: true,
                    schedule: true,
                },
            )
            .await
        }
        Command::Serve => {
            up::run(
                &global.data_dir(),
                up::Roles {
                    serve: true,
                    ..up::Roles::default()
                },
            )
            .await
        }
        Command::Work => {
            up::run(
                &global.data_dir(),
                up::Roles {
                    work: true,
                    ..up::Roles::default()
                },
            )
            .await
        }
        Command::Schedule => {
            up::run(
                &global.data_dir(),
                up::Roles {
                    schedule: true,
                    ..up::Roles::default()
                },
            )
            .await
        }
        Command::Dealers(dealers) => dealers.run(&global.data_dir()).await,
        Command::Sources(sources) => sources.run(&global.data_dir()).await,
        Command::Listings(listings) => listings.run(&global.data_dir()).await,
        Command::Reports(reports) => reports.run(&global.data_dir()).await,
        Command::Feeds(feeds) => feeds.run(&global.data_dir()).await,
        Command::Load(load) => load.run(&global.data_dir()).await,
        Command::Mappings(mappings) => mappings.run(&global.data_dir()).await,
        Command::Vin(vin) => vin.run(&global.data_dir()),
        Command::Archive(archive) => archive.run(&global.data_dir()).await,
        Command::Photo(photo) => photo.run(&global.data_dir()).await,
        Command::Jobs(jobs) => jobs.run(&global.data_dir()).await,
        Command::Runs(runs) => runs.run(&global.data_dir()).await,
        Command::Doctor(doctor) => doctor.run(&global.data_dir()).await,
        Command::Queues(queues) => queues.run(&global.data_dir()).await,
        Command::Workers(workers) => workers.run(&global.data_dir()).await,
        Command::Schedules(schedules) => schedules.run(&global.data_dir()).await,
        Command::Partners(partners) => partners.run(&global.data_dir()).await,
        Command::Providers(providers) => providers.run(&global.data_dir()).await,
        Command::Keys(keys) => keys.run(&global.data_dir()).await,
        Command::Check(check) => check.run(&global.data_dir()).await,
        Command::Migrate => migrate::run(&global.data_dir()).await,
        Command::Openapi(openapi) => openapi.run(),
        Command::Sample(sample) => sample.run(),
        Command::Sandbox(sandbox) => sandbox.run(&global.data_dir()).await,
        Command::Bench(bench) => bench.run(&global.data_dir()).await,
    }
}

/// Says so where a list is as long as it may be; beside what is read by programs.
fn more_than(limit: i64, shown: usize) {
    if i64::try_from(shown).is_ok_and(|shown| shown >= limit) {
        eprintln!("the first {limit}; --limit shows more");
    }
}

/// Who does it, for the audit and for whoever asks why.
fn operator() -> String {
    crate::config::value("SUDO_USER")
        .or_else(|| crate::config::value("USER"))
        .map_or_else(
            || "the command line".to_owned(),
            |user| format!("{user} (command line)"),
        )
}

/// Joins what runs, or what the environment names; where a data directory is at rest, its servers run for as long
/// as the command does.
async fn connect(data_dir: &std::path::Path) -> anyhow::Result<crate::platform::Platform> {
    use crate::{instance::Instance, platform::Platform};
    if Instance::at_rest(data_dir) && crate::config::Config::from_env()?.is_none() {
        return Platform::open(data_dir).await;
    }
    Platform::connect(Instance::find(data_dir)?).await
}
