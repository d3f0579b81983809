use std::process::ExitCode;

fn main() -> ExitCode {
    common::cli::main(dm_migrate::TOOL, dm_migrate::plan, dm_migrate::run)
}
