//! `forecourt`: one binary, one subcommand a file. It knows every floor and decides nothing.
#![expect(clippy::print_stdout, reason = "a command-line tool")]

mod commands;
mod config;
mod instance;
mod platform;
mod sample;
mod station;
mod tuning;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    // One crypto provider for everything that speaks TLS; it must be there before the first does.
    if rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .is_err()
    {
        eprintln!("forecourt: a crypto provider is installed already");
    }
    let command = commands::Cli::parse();
    platform::start_logging();
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
    match runtime.block_on(commands::run(command)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("forecourt: {error:#}");
            ExitCode::FAILURE
        }
    }
}
