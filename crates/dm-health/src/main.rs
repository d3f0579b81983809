use std::process::ExitCode;

fn main() -> ExitCode {
    common::cli::main(dm_health::TOOL, dm_health::plan, dm_health::run)
}
