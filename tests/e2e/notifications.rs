//! Notifications of whole deployments, to servers that answer as the services do, or with faults.

use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;
use testkit::bin::Machine;
use testkit::fault::{self, Recording, Request, answer};
use testkit::site::Site;

/// All services in one server, each at the path that it documents.
fn services() -> Recording {
    Recording::answering_all(|request| {
        let line = request.head.lines().next().unwrap_or_default();
        let is = |part: &str| line.contains(part);
        let (status, body) = match () {
            () if is("/chat.") => ("200 OK", r#"{"ok":true,"channel":"C1","ts":"1405894322.002768"}"#),
            () if is("/webhooks/") => ("200 OK", r#"{"id":"1234567890"}"#),
            () if is("/v2/enqueue") => ("202 Accepted", r#"{"status":"success"}"#),
            () if is("/statuses") => ("201 Created", r#"{"id":1}"#),
            () if is("/deployments") => ("201 Created", r#"{"id":42}"#),
            () if is("/annotations") => ("200 OK", r#"{"message":"Annotation added","id":7}"#),
            () => ("200 OK", "ok"),
        };
        answer(status, body)
    })
}

/// A machine that notifies these addresses, each as `KIND+PATH` of the server, of everything.
fn machine(url: &str, addresses: &[&str]) -> Machine {
    let full = |address: &&str| match address.split_once('+') {
        Some((kind, path)) => format!("{kind}+{url}{path}"),
        None => (*address).to_owned(),
    };
    let addresses: Vec<String> = addresses.iter().map(full).collect();
    Machine::new()
        .with("DM_NOTIFY_URL", &addresses.join(" "))
        .with("DM_NOTIFY_ON", "started,succeeded,failed,rolled-back,restored")
        .with("DM_SLACK_TOKEN", "xoxb-s3cret")
        .with("PAGERDUTY_ROUTING_KEY", "r0uting-s3cret")
        .with("DM_VERSION", "2.0")
        .with("DM_EXPORT_BUDGET", "20s")
}

fn deployment(machine: &Machine, id: &str, script: &str) -> Command {
    let mut command = machine.tool("dm-stage");
    command.args(["deployment", "--deployment-id", id, "--", "bash", "-c", script]);
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The method, the path and the JSON of each request to a path that contains `part`.
fn sent(server: &Recording, part: &str) -> Vec<(String, Value)> {
    let requests = server.requests().into_iter();
    let read = |request: Request| {
        let line = request.head.lines().next().unwrap_or_default().replace(" HTTP/1.1", "");
        (line, serde_json::from_slice(&request.body).unwrap())
    };
    requests.map(read).filter(|(line, _)| line.contains(part)).collect()
}

/// The actions of the incidents, and their severities.
fn incidents(server: &Recording) -> Vec<String> {
    let action = |(_, event): (String, Value)| {
        let severity = event["payload"]["severity"].as_str().unwrap_or_default();
        format!("{} {severity}", event["event_action"].as_str().unwrap()).trim().to_owned()
    };
    sent(server, "/v2/enqueue").into_iter().map(action).collect()
}

#[test]
fn a_deployment_is_one_message_where_the_service_can_change_it() {
    let server = services();
    let addresses = [
        "slack+/api?channel=C1",
        "discord+/api/webhooks/1/token",
        "slack+/services/T/B/x",
        "teams+/flow?sig=s",
    ];
    let machine = machine(&server.url, &addresses);
    let output = deployment(&machine, "d-1", "dm-stage deploy -- true; dm-stage smoke_test -- false")
        .output()
        .unwrap();
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(1), ""));
    let lines = |part: &str| sent(&server, part).into_iter().map(|(line, _)| line).collect::<Vec<_>>();
    assert_eq!(lines("/chat."), ["POST /api/chat.postMessage", "POST /api/chat.update"]);
    let discord = ["POST /api/webhooks/1/token?wait=true", "PATCH /api/webhooks/1/token/messages/1234567890"];
    assert_eq!(lines("/webhooks/"), discord);
    assert_eq!(lines("/services/").len(), 2, "an incoming webhook cannot change a message");
    assert_eq!(lines("/flow").len(), 2);
    let (_, last) = sent(&server, "/chat.").pop().unwrap();
    let sentence = "FAILED at smoke test: exit code 1; 2.0 may be live";
    assert_eq!(last["text"], format!("shop 2.0 to production: failed: {sentence}"));
    assert_eq!(last["ts"], "1405894322.002768");
}

#[test]
fn a_failed_deployment_opens_one_incident_and_the_next_success_resolves_it() {
    let server = services();
    let machine = machine(&server.url, &["pagerduty+"]);
    let run = |id: &str, script: &str| {
        assert!(deployment(&machine, id, script).output().unwrap().status.code().is_some());
    };
    run("7-1", "dm-stage deploy -- false");
    assert_eq!(incidents(&server), ["trigger critical"]);
    run("8-1", "dm-stage deploy -- true");
    assert_eq!(incidents(&server), ["trigger critical", "resolve"]);
    let keys: Vec<Value> =
        sent(&server, "/v2/").into_iter().map(|(_, event)| event["dedup_key"].clone()).collect();
    assert_eq!(keys, ["dm/production/shop", "dm/production/shop"]);
}

#[test]
fn a_rollback_within_a_deployment_is_one_incident_also_if_the_job_is_run_again() {
    let server = services();
    let site = Site::with_good_version();
    site.write("faults/2", "health");
    let deploy = || {
        let mut command = site.deploy(&["api"], "2", "HEALTH_DEADLINE=400ms");
        command.env("DM_NOTIFY_URL", format!("pagerduty+{}", server.url));
        command.env("PAGERDUTY_ROUTING_KEY", "r0uting-s3cret").env("DM_EXPORT_BUDGET", "20s");
        command
    };
    let output = deploy().output().unwrap();
    assert_eq!(output.status.code(), Some(10), "{}", stderr(&output));
    assert_eq!(incidents(&server), ["trigger warning", "resolve"]);
    // The version is refused now, and nothing is deployed.
    assert_eq!(deploy().output().unwrap().status.code(), Some(1));
    assert_eq!(incidents(&server), ["trigger warning", "resolve"]);
}

#[test]
fn a_finish_on_another_machine_and_one_that_is_repeated_report_once() {
    let store = tempfile::tempdir().unwrap();
    let server = services();
    let machine = || {
        let machine =
            machine(&server.url, &["pagerduty+", "discord+/api/webhooks/1/token", "slack+/services/T/B/x"]);
        machine
            .with("DM_STATE_URL", &format!("file://{}", store.path().display()))
            .with("DM_DEPLOYMENT_ID", "d-1")
    };
    let [one, other, third] = [machine(), machine(), machine()];
    let run = |machine: &Machine, arguments: &[&str]| {
        let output = machine.tool("dm-stage").arg("deployment").args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    run(&one, &["--start"]);
    // It reports on its own that the rollback was not done.
    let verdict = one
        .tool("dm-rollback")
        .args(["--because", "it is slow", "--", "true"])
        .env("DM_ROLLBACK_DISABLED", "1")
        .output();
    assert_eq!(verdict.unwrap().status.code(), Some(11));
    for machine in [&other, &other, &third] {
        run(machine, &["--finish", "failure"]);
    }
    assert_eq!(incidents(&server), ["trigger critical"]);
    let messages = sent(&server, "/webhooks/");
    assert_eq!(messages.iter().filter(|(line, _)| line.starts_with("POST")).count(), 1, "{messages:?}");
    let slack: Vec<Value> =
        sent(&server, "/services/").into_iter().map(|(_, message)| message["text"].clone()).collect();
    assert_eq!(slack.len(), 2, "the start, and the failure once: {slack:?}");
}

#[test]
fn an_alertmanager_opens_the_incidents_alone() {
    let server = services();
    let machine =
        machine(&server.url, &["pagerduty+", "webhook+/hook"]).with("ALERTMANAGER_URL", &fault::refused());
    deployment(&machine, "d-1", "exit 3").output().unwrap();
    assert_eq!((incidents(&server).len(), sent(&server, "/hook").len()), (0, 2));
}

#[test]
fn the_pages_of_github_sentry_and_grafana_follow_the_deployment() {
    let server = services();
    let machine = machine(&server.url, &["webhook+/hook"])
        .with("GITHUB_API_URL", &server.url)
        .with("GITHUB_REPOSITORY", "acme/shop")
        .with("GITHUB_TOKEN", "ghs_s3cret")
        .with("DM_GITHUB_DEPLOYMENT", "create")
        .with("DM_ENVIRONMENT_URL", "https://shop.example")
        .with("DM_COMMIT", "0123456789abcdef0123456789abcdef01234567")
        .with("DM_RUN_URL", "https://ci.example/runs/1")
        .with("SENTRY_URL", &server.url)
        .with("SENTRY_AUTH_TOKEN", "s3ntry")
        .with("SENTRY_ORG", "acme")
        .with("SENTRY_PROJECT", "shop")
        .with("GRAFANA_URL", &server.url)
        .with("GRAFANA_TOKEN", "glsa_s3cret")
        .with("DM_NOTIFY_TEMPLATE", r#"{"title": {{ service }}, "what": {{ event }}}"#);
    let output = deployment(&machine, "d-1", "dm-stage deploy -- true").output().unwrap();
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
    let statuses = sent(&server, "/repos/acme/shop/deployments/42/statuses");
    let states: Vec<&Value> = statuses.iter().map(|(_, status)| &status["state"]).collect();
    assert_eq!(states, ["in_progress", "success"]);
    assert_eq!(statuses[1].1["log_url"], "https://ci.example/runs/1");
    assert_eq!(statuses[1].1["environment_url"], "https://shop.example/");
    assert_eq!(sent(&server, "/releases/").len(), 2);
    assert_eq!(sent(&server, "/releases/2.0/deploys/")[0].1["environment"], "production");
    assert_eq!(sent(&server, "/api/annotations").len(), 1);
    assert_eq!(sent(&server, "/hook")[1].1, serde_json::json!({ "title": "shop", "what": "succeeded" }));
}

/// The command's exit code, and what the tool printed, with a server at this URL and this budget.
fn with_fault(url: &str, budget: &str) -> (Option<i32>, String) {
    let machine = machine(url, &["slack+/services/T/B/s3cret-path"])
        .with("DM_EXPORT_BUDGET", budget)
        .with("DM_NOTIFY_ON", "failed");
    let output = deployment(&machine, "d-1", "exit 3").output().unwrap();
    (output.status.code(), stderr(&output))
}

#[test]
fn a_service_that_fails_costs_one_warning_without_secrets() {
    let forbidden = fault::answering(&answer("401 Unauthorized", "no T/B/s3cret-path here"));
    let later =
        fault::answering("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n");
    let cases = [
        (fault::refused(), "not sent again, because the time for exporting is over"),
        (fault::hanging(), "no response within the time for exporting (DM_EXPORT_BUDGET)"),
        (fault::resetting(), "not notified: Slack: "),
        (fault::internal_error(), "it answered 500 Internal Server Error (the disk is full)"),
        (later, "it answered 429 Too Many Requests; not sent again"),
        (forbidden, "it answered 401 Unauthorized (no T/B/*** here): check the URL in DM_NOTIFY_URL"),
        (fault::dripping("HTTP/1.1 403 Forbidden\r\n\r\n"), "check the URL in DM_NOTIFY_URL"),
    ];
    for (url, expected) in cases {
        // A tenth of it is left for the tool to hear of the result, also on a busy machine.
        let (code, stderr) = with_fault(&url, "8s");
        assert_eq!((code, stderr.lines().count()), (Some(3), 1), "{stderr}");
        assert!(
            stderr.starts_with("dm-stage: not notified: Slack: ") && stderr.contains(expected),
            "{stderr}"
        );
        assert!(!stderr.contains("s3cret"), "{stderr}");
    }
    // The message has arrived, whatever follows.
    for url in [fault::pouring("HTTP/1.1 200 OK\r\n\r\n"), fault::dripping("HTTP/1.1 200 OK\r\n\r\n")] {
        assert_eq!(with_fault(&url, "3s"), (Some(3), String::new()));
    }
}

#[test]
fn a_service_that_asks_to_wait_or_fails_for_a_moment_gets_the_message_later() {
    for first in [
        "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
        &answer("503 Busy", ""),
    ] {
        let first = first.to_owned();
        let count = Arc::new(AtomicU64::new(0));
        let server = Recording::answering(move |_| match count.fetch_add(1, Ordering::Relaxed) {
            0 => first.clone(),
            _ => answer("200 OK", "ok"),
        });
        assert_eq!(with_fault(&server.url, "30s"), (Some(3), String::new()));
        assert_eq!(server.requests().len(), 2);
    }
}

#[test]
fn a_setting_that_is_wrong_is_a_warning_and_no_secret_is_shown() {
    let url = "https://example.com/s3cret";
    let machine = Machine::new().with("DM_NOTIFY_URL", url).with("DM_NOTIFY_ON", "failed,fixed");
    let output = deployment(&machine, "d-1", "exit 3").output().unwrap();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(3));
    assert!(
        text.contains("an address in DM_NOTIFY_URL is wrong: its host") && text.contains("fixed is none of"),
        "{text}"
    );
    let help = machine.tool("dm-stage").arg("--help").output().unwrap();
    for text in [text, String::from_utf8(help.stdout).unwrap()] {
        assert!(!text.contains("s3cret"), "{text}");
    }
}
