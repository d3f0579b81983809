//! Versions that fail for a share of the requests, of which the watch sends one a second: a short one here, a real one with
//! `scripts/trials.sh`.

use regex_lite::Regex;

use super::app::App;
use super::ending::Ending;

/// The seconds of `WATCH=60s..10m`, the default.
const WATCH_S: u32 = 600;

#[test]
fn a_version_that_fails_for_10_20_or_30_percent_is_rolled_back_in_time() {
    let app = App::with_good_version();
    for percent in ["30", "20", "10"] {
        app.edit("api/faults", &format!("--error-percent {percent}"));
        let (case, last_line) = (
            format!("{percent} % errors"),
            r"FAILED at watch \(api\): \d+ of \d+ requests failed \(probe, [0-9.]+ %\): more than 5 %, evidence .*; (api|web) rolled back to 1, verified; (api|web) rolled back to 1, verified",
        );
        let ending = Ending { case: &case, code: 10, last_line, live: ("1", "1") };
        let said = ending.check(&app, app.deploy(&format!("2-{percent}"), ""));
        let counts = Regex::new(r"FAILED at watch \(api\): \d+ of (\d+)").unwrap().captures(&said).unwrap();
        let requests: u32 = counts[1].parse().unwrap();
        assert!(requests <= WATCH_S, "one a second, they take longer than the watch: {said}");
    }
}
