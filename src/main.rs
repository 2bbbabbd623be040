//! Parses, runs, explains, exits.

use std::process::ExitCode;

fn main() -> ExitCode {
    wavemark::cli::main()
}
