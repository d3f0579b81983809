use std::process::ExitCode;

fn main() -> ExitCode {
    telemetry::main(dm_health::TOOL, dm_health::plan, dm_health::run)
}
