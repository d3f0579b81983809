use std::process::ExitCode;

fn main() -> ExitCode {
    common::cli::main(dm_rollback::TOOL, dm_rollback::plan, dm_rollback::run)
}
