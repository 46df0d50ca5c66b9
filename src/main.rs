//! Arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    dashictl::run(
        std::env::args_os().collect(),
        dashictl::config::Environment::of_process(),
    )
}
