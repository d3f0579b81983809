//! A rollback is verified by the same counters, and only while they are scraped.

use std::path::Path;
use std::sync::{Arc, Mutex};

use common::clock::{Clock, SystemClock};
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::{Value, json};
use testkit::fault::{self, Recording};

/// The time between two scrapes, in milliseconds.
const SCRAPE: i64 = 100;

/// The counters at one scrape: all requests, and the failed ones if they were scraped.
#[derive(Clone, Copy)]
struct Scrape {
    ts: i64,
    requests: u64,
    errors: Option<u64>,
}

/// A shop whose requests fail while the file `fault` exists. `keeps_errors` says whether its errors are still scraped after
/// that.
fn shop(fault: &Path, keeps_errors: bool) -> Recording {
    let (fault, start) = (fault.to_owned(), SystemClock.now().timestamp_millis());
    let first = Scrape { ts: start - 1, requests: 100, errors: Some(0) };
    let (scrapes, failed) = (Arc::new(Mutex::new(vec![first])), Arc::new(Mutex::new(0)));
    Recording::answering(move |head| {
        let now = SystemClock.now().timestamp_millis();
        let (mut scrapes, mut failed) = (scrapes.lock().unwrap(), failed.lock().unwrap());
        let is_faulty = fault.exists();
        while let Some(last) = scrapes.last().copied().filter(|last| last.ts + SCRAPE <= now) {
            *failed += if is_faulty { 3 } else { 0 };
            let errors = (is_faulty || keeps_errors).then_some(*failed);
            scrapes.push(Scrape { ts: last.ts + SCRAPE, requests: last.requests + 10, errors });
        }
        let series = |name: &str, value: fn(&Scrape) -> Option<u64>| {
            let seconds = |ts: i64| json!(format!("{}.{:03}", ts / 1000, ts % 1000).parse::<f64>().unwrap());
            let values =
                scrapes.iter().filter_map(|one| Some(json!([seconds(one.ts), value(one)?.to_string()])));
            json!([{"metric": {"__name__": name}, "values": values.collect::<Vec<Value>>()}])
        };
        let result = match head {
            head if head.contains("time%28") => {
                json!([now / 1000, format!("{}.{:03}", now / 1000, now % 1000)])
            }
            head if head.contains("query=shop_total") => series("shop_total", |one| Some(one.requests)),
            head if head.contains("query=shop_errors") => series("shop_errors", |one| one.errors),
            _ => json!([]),
        };
        fault::answer("200 OK", &json!({"data": {"result": result}}).to_string())
    })
}

#[test]
fn a_rollback_is_not_verified_by_errors_that_are_not_scraped_any_more() {
    for (keeps_errors, code, said) in
        [(true, 10, "rolled back and verified"), (false, 12, "rolled back, NOT verified")]
    {
        let folder = tempfile::tempdir().unwrap();
        let fault = folder.path().join("fault");
        common::fs::atomic::write(&fault, b"").unwrap();
        let shop = shop(&fault, keeps_errors);
        let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_dm-rollback"));
        command.env_clear().env("PATH", "/usr/bin:/bin").env("DM_STATE_DIR", folder.path().join("state"));
        command.env("DM_SERVICE", "shop").env("DM_ENVIRONMENT", "production").env("DM_VERSION", "2.0");
        command.args([
            "--prometheus",
            &shop.url,
            "--total-query",
            "shop_total",
            "--error-query",
            "shop_errors",
        ]);
        command.args(["--if-error-rate", "5", "--watch", "20s", "--interval", "200ms", "--bucket", "400ms"]);
        command.args(["--baseline", "0s", "--verify-deadline", "6s", "--", "rm"]).arg(&fault);
        command.assert().code(code).stderr(contains(said).and(contains("retrying").not()));
    }
}
