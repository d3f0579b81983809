use std::process::ExitCode;

fn main() -> ExitCode {
    common::cli::main(dm_smoke::TOOL, dm_smoke::plan, dm_smoke::run)
}
