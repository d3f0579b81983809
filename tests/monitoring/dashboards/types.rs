//! Grafana's own TypeScript types accept the dashboards. `tests/monitoring/grafana` selects the types; npm installs them.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::content::DASHBOARDS;
use crate::repository::text;

const SOURCE: &str = "tests/monitoring/grafana";

/// Typical mistakes: a place in a dashboard, a key, and the JSON to insert there. Grafana loads the file in spite of each
/// of them, but ignores the setting.
const FAULTS: [(&str, &str, &str); 8] = [
    ("", "panells", "[]"),
    ("", "graphTooltip", r#""shared""#),
    ("/panels/0", "type", r#""sat""#),
    ("/panels/0", "maxDatapoints", "100"),
    ("/panels/0/gridPos", "w", r#""4""#),
    ("/panels/0/options", "colorMode", r#""values""#),
    ("/panels/0/fieldConfig/defaults", "units", r#""s""#),
    ("/panels/0/fieldConfig/defaults/thresholds", "mode", r#""percent""#),
];

/// Installs the types from npm, or reuses those of an earlier run.
fn install(folder: &Path) {
    let lock = text(&format!("{SOURCE}/package-lock.json"));
    let installed = folder.join("installed");
    if std::fs::read_to_string(&installed).is_ok_and(|found| found == lock) {
        return;
    }
    let mut npm = Command::new("timeout");
    npm.args(["3m", "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-timeout=60000"]);
    let output = npm.current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    common::fs::atomic::write(&installed, lock.as_bytes()).unwrap();
}

/// A TypeScript program with each dashboard as a constant of its type, and the first dashboard with each of the faults,
/// which the compiler must reject.
fn program() -> String {
    let mut program = "import type { Board } from './board';\n".to_owned();
    for dashboard in DASHBOARDS {
        writeln!(program, "export const {}: Board = {};", dashboard.name, dashboard.json()).unwrap();
    }
    for (number, (place, key, value)) in FAULTS.iter().enumerate() {
        let mut faulty = DASHBOARDS[0].json();
        faulty.pointer_mut(place).unwrap()[key] = serde_json::from_str::<Value>(value).unwrap();
        writeln!(program, "// @ts-expect-error\nexport const fault{number}: Board = {faulty};").unwrap();
    }
    program
}

#[test]
fn grafanas_types_accept_the_dashboards_and_reject_each_fault() {
    if Command::new("npm").arg("--version").output().is_err() {
        println!("skipped: npm is not installed, and Grafana's types come from npm");
        return;
    }
    let folder = testkit::bin::build().join("grafana-types");
    std::fs::create_dir_all(&folder).unwrap();
    for name in ["package.json", "package-lock.json", "tsconfig.json", "board.ts"] {
        common::fs::atomic::write(&folder.join(name), text(&format!("{SOURCE}/{name}")).as_bytes()).unwrap();
    }
    install(&folder);
    common::fs::atomic::write(&folder.join("check.ts"), program().as_bytes()).unwrap();
    let output = Command::new("node")
        .args(["node_modules/typescript/bin/tsc", "-p", "."])
        .current_dir(&folder)
        .output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
