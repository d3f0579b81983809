use std::process::ExitCode;

fn main() -> ExitCode {
    telemetry::main(dm_smoke::TOOL, dm_smoke::plan, dm_smoke::run)
}
