use std::process::ExitCode;

fn main() -> ExitCode {
    common::cli::main(dm_rollback::TOOL, dm_rollback::order::order, dm_rollback::order::run)
}
