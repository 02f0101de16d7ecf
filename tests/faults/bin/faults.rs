//! `faults [--short] [ROW …]`: the fault matrix on both engines, into `tests/faults/RESULTS.md`.
#![expect(clippy::print_stdout, reason = "a command-line tool")]

use anyhow::Result;
use clap::Parser;
use faults::scenarios::{LIMIT, ROWS};
use faults::{Engine, Form};
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

#[derive(Parser)]
struct Args {
    /// As in `make test`
    #[arg(long)]
    short: bool,
    /// postgres or redis; both unless told
    #[arg(long)]
    engine: Option<String>,
    #[arg(long)]
    out: Option<PathBuf>,
    /// Names of rows; all unless told
    rows: Vec<String>,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let form = if args.short { Form::Short } else { Form::Long };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let mut table = String::from(
        "| # | fault | engine | jobs | lost | effects doubled | recovery s | passed | took s | note |\n|---|---|---|---|---|---|---|---|---|---|\n",
    );
    let mut failed = 0;
    for (number, name, row) in ROWS {
        if !args.rows.is_empty() && !args.rows.iter().any(|wanted| wanted == name) {
            continue;
        }
        for engine in [Engine::Postgres, Engine::Redis] {
            if args
                .engine
                .as_deref()
                .is_some_and(|wanted| wanted != engine.name())
            {
                continue;
            }
            let begun = Instant::now();
            let line = match runtime.block_on(row(engine, form)) {
                Ok(verdict) => {
                    let problem = verdict.problem(LIMIT);
                    failed += usize::from(problem.is_some());
                    let recovery = verdict
                        .recovery
                        .map_or("".to_owned(), |s| format!("{s:.1}"));
                    format!(
                        "| {number} | {} | {} | {} | {} | {} | {recovery} | {} | {:.0} | {} |",
                        verdict.row,
                        engine.name(),
                        verdict.jobs,
                        verdict.lost,
                        verdict.doubled,
                        problem.unwrap_or_else(|| "yes".to_owned()),
                        begun.elapsed().as_secs_f64(),
                        verdict.note
                    )
                }
                Err(error) => {
                    failed += 1;
                    let words = format!("{error:#}").replace('\n', " ");
                    format!(
                        "| {number} | {name} | {} | | | | | {words} | | |",
                        engine.name()
                    )
                }
            };
            println!("{line}");
            writeln!(table, "{line}")?;
        }
    }
    if let Some(path) = args.out {
        std::fs::write(path, table)?;
    }
    println!("{failed} rows failed");
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
