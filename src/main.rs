//! `forecourt`: one binary, one subcommand a file. It knows every floor and decides nothing.
#![expect(clippy::print_stdout, reason = "a command-line tool")]

mod commands;
mod config;
mod instance;
mod platform;
mod sample;
mod station;
mod telemetry;
mod tuning;

use clap::Parser;
use mimalloc::MiMalloc;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// `forecourt jobs list | head`: who reads no more has what he wanted.
fn end_quietly_when_nobody_reads() {
    let others = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let words = panic.payload().downcast_ref::<String>();
        let closed = |words: &String| {
            words.starts_with("failed printing to stdout") && words.contains("Broken pipe")
        };
        if words.is_some_and(closed) {
            std::process::exit(0);
        }
        others(panic);
    }));
}

fn main() -> ExitCode {
    end_quietly_when_nobody_reads();
    // One crypto provider for everything that speaks TLS; it must be there before the first does.
    if rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .is_err()
    {
        eprintln!("forecourt: a crypto provider is installed already");
    }
    let command = commands::Cli::parse();
    if let Err(error) = telemetry::start() {
        eprintln!("forecourt: {error:#}");
        return ExitCode::FAILURE;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("forecourt: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(commands::run(command));
    telemetry::end();
    match ended {
        Ok(code) => code,
        Err(error) => {
            eprintln!("forecourt: {error:#}");
            ExitCode::FAILURE
        }
    }
}
