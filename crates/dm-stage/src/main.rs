use std::process::ExitCode;

fn main() -> ExitCode {
    telemetry::main(dm_stage::TOOL, dm_stage::plan, dm_stage::run)
}
