//! Deployments that end before the watch, and a good one.

use super::app::App;
use super::ending::Ending;

const SMOKE: &str = r#"FAILED at smoke test: "the front page loads its script": GET \S+: the body does not contain "shop\.mjs": .*; (api|web) rolled back to 1, verified; (api|web) rolled back to 1, verified"#;

#[test]
fn the_last_line_says_which_stage_failed_why_and_what_is_live() {
    let app = App::new();
    let kept = r"deployed 1 in \S+, kept: \d+ of \d+ requests failed";
    Ending { case: "good", code: 0, last_line: kept, live: ("1", "1") }.check(&app, app.deploy("1", ""));

    let script = app.change("web/shop.mjs", |_| "const = 1;\n".to_owned());
    let last_line = "FAILED at build \\(web\\): exit code 1: SyntaxError: Unexpected token '='; nothing was deployed; release 1 is live";
    let ending = Ending { case: "broken build", code: 1, last_line, live: ("1", "1") };
    let said = ending.check(&app, app.deploy("2", ""));
    assert!(
        said.lines().any(|line| line == "  |"),
        "an empty line of the output has no other prefix: {said}"
    );
    app.edit("web/shop.mjs", &script);

    app.edit("api/faults", "--down");
    let last_line = r"FAILED at health check \(api\): api was not healthy within 1\.0s; the last failure: status 50[23], .*; (api|web) rolled back to 1, verified; (api|web) rolled back to 1, verified";
    let ending = Ending { case: "unhealthy", code: 10, last_line, live: ("1", "1") };
    ending.check(&app, app.deploy("3", "HEALTH_DEADLINE=1s"));

    app.edit("api/faults", "");
    let last_line =
        "FAILED: exit code 1; nothing was deployed: this version was rolled back before; release 1 is live";
    let ending = Ending { case: "rolled back before", code: 1, last_line, live: ("1", "1") };
    ending.check(&app, app.deploy("3", ""));

    app.change("web/index.html", |page| page.replace("shop.mjs", "shop.js"));
    let ending = Ending { case: "failed smoke test", code: 10, last_line: SMOKE, live: ("1", "1") };
    ending.check(&app, app.deploy("4", ""));
}
