//! Pages of deployments, as Markdown and as a reader sees them.

use common::event::{
    ChildUse, Detail, Event, FailedTest, Quantiles, RollbackResult, SourceCount, Status, TestResult,
};
use markdown::mdast::Node;
use markdown::{Constructs, ParseOptions};
use proptest::prelude::*;

use super::*;
use crate::deployment::Records;
use crate::event_fixture::event;

fn stage(name: &str, times: (i64, i64), status: Status, tail: &[&str]) -> Event {
    let stderr_tail = tail.iter().map(ToString::to_string).collect();
    event(name, times, status, Detail::Stage(ChildUse { stderr_tail, ..ChildUse::default() }))
}

fn shown(events: &[Event], whole: &Event) -> String {
    let records = Records::at_end(events.to_vec(), whole);
    let deployment = records.deployment(&whole.identity.deployment, whole.ts).unwrap();
    page(&deployment, &Conclusion::of(&deployment), &LinkBases::default())
}

fn whole(status: Status) -> Event {
    let mut whole = stage("deployment", (0, 192), status, &[]);
    whole.identity.service = "shop".parse().unwrap();
    whole.identity.actor = Some("ada".parse().unwrap());
    whole.identity.commit = Some("0123abc".parse().unwrap());
    whole.identity.run_url = Some("https://github.com/acme/shop/actions/runs/77".parse().unwrap());
    whole
}

fn health(times: (i64, i64), failures: u64) -> Event {
    let latency_ms = Some(Quantiles { p50: 1.0, p95: 2.0, max: 3.0 });
    let detail =
        Detail::Health { target: "t".to_owned(), probes: 90, failures, latency_ms, targets: Vec::new() };
    event("health_check", times, Status::Success, detail)
}

fn verdict(times: (i64, i64), verdict: &str, result: Option<RollbackResult>) -> Event {
    let evidence = vec![SourceCount { source: "probe".parse().unwrap(), total: 90, errors: 0 }];
    let detail = Detail::Rollback {
        verdict: verdict.to_owned(),
        condition: None,
        evidence,
        result,
        target: Some("1.9".parse().unwrap()),
        why: Some("0 of 90 requests failed".to_owned()),
        no_worse: false,
        watch: None,
        live_release: None,
    };
    event("rollback", times, Status::Success, detail)
}

#[test]
fn the_page_of_a_good_deployment_is_short() {
    let events = [
        stage("build", (0, 95), Status::Success, &[]),
        stage("deploy", (95, 110), Status::Success, &[]),
        health((110, 190), 0),
        verdict((110, 191), "keep", None),
    ];
    insta::assert_snapshot!(shown(&events, &whole(Status::Success)));
}

#[test]
fn the_page_of_a_failed_deployment_shows_the_evidence() {
    let mut migration = event(
        "migration",
        (95, 144),
        Status::Success,
        Detail::Migration {
            before: Some("3".to_owned()),
            after: Some("4".to_owned()),
            dirty: None,
            lock_wait_s: Some(48.2),
            blocked_max: Some(3),
            progress: None,
            terminated: Vec::new(),
            blocked_by: Some("pid 4690 (app \"report\"), idle in transaction for 5m".to_owned()),
            child: ChildUse::default(),
        },
    );
    migration.identity.service = "database".parse().unwrap();
    let smoke = Detail::Smoke {
        suite: "api".parse().unwrap(),
        results: vec![(TestResult::Pass, 4), (TestResult::Fail, 2)],
        failed: vec![FailedTest::new("login | admin", "status 500, expected 200")],
    };
    let events = [
        stage("build", (0, 95), Status::Success, &[]),
        migration,
        stage("deploy", (144, 150), Status::Failure, &["compiling", "``` no space left", "\u{202e}evil"]),
        event("smoke_test", (150, 152), Status::Failure, smoke),
        verdict((152, 190), "rollback", Some(RollbackResult::Verified)),
    ];
    insta::assert_snapshot!(shown(&events, &whole(Status::Failure)));
}

/// What a reader sees as text, and whatever is more than that.
fn rendered(markdown: &str) -> (String, Vec<String>) {
    let constructs = Constructs { math_text: true, math_flow: true, ..Constructs::gfm() };
    let options = ParseOptions { constructs, ..ParseOptions::gfm() };
    let (mut text, mut foreign) = (String::new(), Vec::new());
    let mut nodes = vec![markdown::to_mdast(markdown, &options).unwrap()];
    while let Some(node) = nodes.pop() {
        match &node {
            Node::Text(part) => text.push_str(&part.value),
            Node::Root(_) | Node::Paragraph(_) => {}
            // The beginning, which is ours.
            Node::Strong(strong)
                if foreign.is_empty() && strong.position.as_ref().is_some_and(|it| it.start.offset == 0) => {}
            other => foreign.push(format!("{other:?}")),
        }
        nodes.extend(node.children().into_iter().flatten().rev().cloned());
    }
    (text, foreign)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn text_from_outside_is_only_text(
        parts in proptest::collection::vec(prop_oneof![
            Just("<script>alert(1)</script>"), Just("[a](http://evil)"), Just("![x](y)"), Just("https://evil.example/x"),
            Just("www.evil.example"), Just("a@b.example"), Just("**b**"), Just("~~s~~"), Just("`c`"), Just("| c |"),
            Just("- [ ] x"), Just("# h"), Just("1. x"), Just("> q"), Just("&copy;"), Just("\\"), Just("$x$"), Just("[^1]"),
            Just("\n"), Just("\u{202e}"), Just(" "), Just("::error::x"), Just("---"), Just("+ x"), Just("_e_"), Just("mailto:a@b.example"),
        ], 1..8)
    ) {
        let outside = parts.concat();
        let (text, foreign) = rendered(&format!("**x** {}", text(&outside)));
        prop_assert_eq!(foreign, Vec::<String>::new(), "{}", outside);
        let plain = |text: &str| text.replace('\u{2060}', "").split_whitespace().collect::<String>();
        prop_assert_eq!(plain(&text), plain(&format!("x{}", common::term::text::one_line(&outside))));
    }
}
