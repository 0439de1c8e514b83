//! The `changeover` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    changeover::cli::main()
}
