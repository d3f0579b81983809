use std::process::ExitCode;

fn main() -> ExitCode {
    common::cli::main(dm_rollback::TOOL, dm_rollback::plan::plan, dm_rollback::run)
}
