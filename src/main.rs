//! The `watchbell` binary: reads the command line, runs, and ends with the command's exit code.

use std::process::ExitCode;

use watchbell::{cli, config};

fn main() -> ExitCode {
    let cli = match config::parse() {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(cli::run(cli)),
        Err(error) => {
            eprintln!("watchbell: cannot start: {error}");
            ExitCode::from(1)
        }
    }
}
