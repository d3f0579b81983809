use std::process::ExitCode;

fn main() -> ExitCode {
    telemetry::main(dm_migrate::TOOL, dm_migrate::plan, dm_migrate::run)
}
