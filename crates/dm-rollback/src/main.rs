use std::process::ExitCode;

fn main() -> ExitCode {
    telemetry::main(dm_rollback::TOOL, dm_rollback::plan, dm_rollback::run)
}
