use chrono::SecondsFormat;
use proptest::prelude::*;

use super::*;
use crate::evidence::Latency;
use crate::evidence::tests::FIVE;

/// When the watch begins.
fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600, 0).unwrap()
}

fn at(seconds: i64) -> DateTime<Utc> {
    start() + TimeDelta::seconds(seconds)
}

/// A line with a time in seconds from the start.
fn line(seconds: i64, status: u16) -> String {
    let time = at(seconds).to_rfc3339_opts(SecondsFormat::Secs, true);
    format!("{{\"time\":\"{time}\",\"status\":{status},\"path\":\"/\"}}\n")
}

/// What comes of a whole log, read at the start.
fn read(text: &str, args: &LogArgs) -> (Evidence, Vec<String>) {
    let mut log = Log::new(FIVE, args, false);
    log.take_lines(&mut text.as_bytes().to_vec(), start(), Duration::ZERO);
    log.finish(None)
}

const MINUTE: Duration = Duration::from_mins(1);

fn counts(evidence: &Evidence) -> (u64, u64) {
    evidence.sources().first().map_or((0, 0), |source| (source.total, source.errors))
}

fn baseline(evidence: &Evidence) -> (u64, u64) {
    let counts = evidence.observations().next().map(|(_, observation)| observation.errors.baseline);
    counts.map_or((0, 0), |counts| (counts.total, counts.errors))
}

/// A watch that begins with the lines `before`, and then has ten lines a second with these statuses in turn, written by a
/// clock with this offset in seconds, every `buffer` seconds.
fn watch(
    before: &str,
    statuses: &[u16],
    offset: i64,
    buffer: i64,
) -> Result<(Evidence, Vec<String>), String> {
    let since = Some(start());
    let mut log = Log::new(Criteria { since, ..FIVE }, &LogArgs::default(), true);
    let mut notes = Vec::new();
    let mut bytes = before.as_bytes().to_vec();
    log.take_lines(&mut bytes, start(), Duration::ZERO);
    let mut statuses = statuses.iter().cycle();
    for second in 0..120 {
        for _ in 0..10 {
            bytes.extend(line(second + offset, *statuses.next().unwrap()).as_bytes());
        }
        if second % buffer == buffer - 1 || second == 0 {
            // The first lines after those that were there arrive half a second later.
            let elapsed = Duration::from_millis(500) + Duration::from_secs(second.cast_unsigned());
            log.take_lines(&mut bytes, at(second), elapsed);
            notes.extend(log.take_notes());
        }
    }
    let (evidence, more) = log.finish(None);
    notes.extend(more);
    match &evidence.damage {
        Some(why) => Err(why.clone()),
        None => Ok((evidence, notes)),
    }
}

#[test]
fn a_few_odd_lines_change_nothing_and_nothing_odd_overrides_a_proof() {
    let log = |good: usize, bad: usize, odd: usize| {
        let mut text = "{\"odd\n".repeat(odd);
        (0..good).for_each(|_| text.push_str(&line(-50, 200)));
        (0..bad).for_each(|index| text.push_str(&line(-50 + index.cast_signed() as i64 % 50, 500)));
        read(&text, &LogArgs::default())
    };
    for (good, odd, notes) in [(100, 10, 0), (100, 11, 1), (100, 100, 1)] {
        let (evidence, printed) = log(good, 0, odd);
        assert_eq!((evidence.damage, printed.len()), (None, notes), "{good} {odd}");
    }
    assert!(log(100, 0, 101).0.damage.unwrap().starts_with("101 of 201 lines are neither"));
    assert!(log(0, 0, 1).0.damage.is_some());
    // Every request failed: that is proven, although none shows that the service has started.
    let (evidence, _) = log(0, 50, 1000);
    assert_eq!((evidence.damage.as_deref(), counts(&evidence)), (None, (50, 50)));
}

#[test]
fn a_log_that_ends_early_does_not_hide_a_proof() {
    let text: String = (0..50).map(|second| line(second - 50, 500)).collect();
    for (text, expected) in [(text, None), (line(-1, 500), Some("it ended".to_owned()))] {
        let mut log = Log::new(FIVE, &LogArgs::default(), false);
        log.take_lines(&mut text.into_bytes(), start(), Duration::ZERO);
        assert_eq!(log.finish(Some("it ended".to_owned())).0.damage, expected);
    }
}

#[test]
fn clients_that_gave_up_are_no_success_and_failures_if_asked() {
    let log = |given_up: usize| {
        let answered = 100 - given_up;
        [line(-9, 499).repeat(given_up / 2), line(-9, 0).repeat(given_up - given_up / 2)].concat()
            + &line(-9, 200).repeat(answered)
    };
    let (evidence, notes) = read(&log(100), &LogArgs::default());
    assert_eq!(counts(&evidence), (0, 0));
    assert!(evidence.damage.unwrap().starts_with("100 of 100 requests were given up by the client"));
    assert_eq!(notes.len(), 1);
    let (evidence, notes) = read(&log(20), &LogArgs::default());
    assert_eq!((evidence.damage.as_deref(), counts(&evidence), notes.len()), (None, (80, 0), 1));
    let (evidence, notes) = read(&log(10), &LogArgs::default());
    assert_eq!((evidence.damage, notes.len()), (None, 0));
    let args = LogArgs { count_client_aborts: true, ..LogArgs::default() };
    assert_eq!(counts(&read(&log(20), &args).0), (100, 20));
}

#[test]
fn excluded_requests_neither_count_nor_dilute() {
    let health = line(-9, 200).replace("\"/\"", "\"/healthz?a\"").repeat(200);
    let users = line(-9, 200).repeat(6) + &line(-9, 500).repeat(4);
    let args = LogArgs { exclude_path: vec!["/health".to_owned()], ..LogArgs::default() };
    assert_eq!(counts(&read(&(health.clone() + &users), &args).0), (10, 4));
    let agent = LogArgs { exclude_agent: vec!["ELB".to_owned()], ..LogArgs::default() };
    let without_agents = read(&(health + &users), &agent).0.damage;
    assert!(without_agents.unwrap().contains("no line has a user agent"));
}

#[test]
fn a_line_without_a_duration_is_noted_once() {
    let latency = Some(Latency { limit: Duration::from_secs(1), share: 5.0 });
    let mut log = Log::new(Criteria { latency, ..FIVE }, &LogArgs::default(), false);
    log.take_lines(&mut line(-9, 200).repeat(9).into_bytes(), start(), Duration::ZERO);
    let notes = log.take_notes();
    assert!(notes.len() == 1 && notes[0].contains("add rt=$request_time and urt="), "{notes:?}");
}

#[test]
fn lines_that_were_there_are_the_baseline_and_lines_that_arrive_are_not() {
    let before: String = (-300..0).map(|second| line(second, 200)).collect();
    let (evidence, notes) = watch(&before, &[200], 0, 1).unwrap();
    // On which side those of the second are in which the watch begins is unclear.
    assert_eq!((counts(&evidence), baseline(&evidence)), ((1190, 0), (300, 0)));
    assert!(notes.is_empty(), "{notes:?}");
    // A buffer of twenty seconds: the lines arrive late, at their own time.
    let (evidence, notes) = watch(&before, &[200], 0, 20).unwrap();
    assert_eq!((counts(&evidence), baseline(&evidence)), ((1190, 0), (300, 0)));
    assert!(notes.is_empty(), "{notes:?}");
}

#[test]
fn a_clock_that_is_a_little_off_is_corrected() {
    for (offset, words) in [(-30, "30.0s behind"), (-1, ""), (30, "30.0s ahead")] {
        // Without correction, the failures of the first seconds would be the baseline.
        let (evidence, notes) = watch("", &[200, 500], offset, 1).unwrap();
        assert_eq!(baseline(&evidence).0, 0, "{offset}");
        assert!(evidence.is_decisive(), "{offset}");
        assert_eq!(notes.iter().filter(|note| note.contains(words)).count(), usize::from(!words.is_empty()));
    }
}

#[test]
fn a_clock_that_is_far_off_is_refused() {
    let before: String = (-300..0).map(|second| line(second - 120, 200)).collect();
    for before in ["", &before] {
        assert!(watch(before, &[200, 500], -120, 1).unwrap_err().contains("is 2m00s behind"));
        assert!(watch(before, &[200, 500], -600, 1).unwrap_err().contains("is 10m00s behind"));
        assert!(watch(before, &[200], 120, 1).unwrap_err().contains("is 2m00s ahead"));
    }
    let (recorded, _) = read(&line(120, 200), &LogArgs::default());
    assert!(recorded.damage.unwrap().contains("is 2m00s ahead"));
    let (recorded, notes) = read(&line(30, 200), &LogArgs::default());
    assert!(recorded.damage.is_none() && notes[0].contains("30.0s ahead"), "{notes:?}");
    let (recorded, _) = read(&line(100_000, 200), &LogArgs::default());
    assert!(recorded.damage.unwrap().contains("1 of 1 lines are neither"), "more than a day ahead");
}

#[test]
fn old_lines_that_take_long_to_arrive_are_the_baseline() {
    let mut log = Log::new(Criteria { since: Some(start()), ..FIVE }, &LogArgs::default(), true);
    for second in 0..6_u64 {
        let first = second.cast_signed() * 600 - 3600;
        let mut lines: String = (first..first + 600).map(|old| line(old, 500)).collect();
        let elapsed = Duration::from_secs(second);
        log.take_lines(&mut std::mem::take(&mut lines).into_bytes(), start() + elapsed, elapsed);
    }
    for second in 6..60 {
        let elapsed = Duration::from_secs(second);
        log.take_lines(&mut line(second.cast_signed(), 200).into_bytes(), start() + elapsed, elapsed);
    }
    let (evidence, _) = log.finish(None);
    // On which side the last three seconds are is unclear.
    assert_eq!((evidence.damage.as_deref(), baseline(&evidence)), (None, (3597, 3597)));
    assert_eq!(counts(&evidence), (54, 0));
}

#[test]
fn a_burst_during_the_watch_is_no_baseline() {
    let burst = |arrival: u64| {
        let mut log = Log::new(Criteria { since: Some(start()), ..FIVE }, &LogArgs::default(), true);
        let elapsed = Duration::from_secs(arrival);
        log.take_lines(&mut line(-120, 500).repeat(900).into_bytes(), start() + elapsed, elapsed);
        log.finish(None).0
    };
    assert_eq!(baseline(&burst(0)), (900, 900));
    assert_eq!((baseline(&burst(3)), counts(&burst(3))), ((0, 0), (0, 0)));
    assert_eq!((baseline(&burst(40)), counts(&burst(40))), ((0, 0), (0, 0)));
}

#[test]
fn a_log_that_stops_is_not_a_log_with_little_traffic() {
    let log = || Log::new(FIVE, &LogArgs::default(), true);
    let silent = |counted: u64, covered: i64, silence: u64| {
        let first = DateTime::UNIX_EPOCH;
        let span = Some((first, first + TimeDelta::seconds(covered)));
        let last_arrival = Duration::from_secs(60 - silence);
        Log { counted, span, last_arrival, ..log() }.silence(MINUTE, MINUTE).is_some()
    };
    assert!(silent(600, 30, 30));
    assert!(!silent(600, 45, 15), "a server that writes four times a minute");
    assert!(!silent(6, 30, 30), "one request in five seconds");
    assert!(!silent(10_000, 86_400, 30), "old lines show how little traffic there is");
    assert_eq!(log().silence(MINUTE, MINUTE), None);
}

#[test]
fn lines_that_do_not_count_do_not_hide_that_users_get_no_answers() {
    let health = |second| line(second, 200).replace("\"/\"", "\"/health\"");
    let own = |second| line(second, 404).replace('}', ",\"upstream_status\":\"-\"}");
    for checks in [health, own] {
        let args = LogArgs { exclude_path: vec!["/health".to_owned()], ..LogArgs::default() };
        let mut log = Log::new(Criteria { since: Some(start()), ..FIVE }, &args, true);
        for second in 0..60_u64 {
            let elapsed = Duration::from_secs(second);
            let users = if second < 30 { line(second.cast_signed(), 200).repeat(10) } else { String::new() };
            let mut lines = (users + &checks(second.cast_signed())).into_bytes();
            log.take_lines(&mut lines, start() + elapsed, elapsed);
        }
        let why = log.silence(MINUTE, MINUTE).unwrap();
        assert_eq!(why, "the log had no new requests that count in the last 31.0s of 1m00s");
    }
}

#[test]
fn an_outage_at_the_end_is_not_averaged_away() {
    for (status, words) in [(499, "were given up"), (404, "were refused"), (501, "by the web server itself")]
    {
        let log = |bad: i64| {
            let good: String = (-600..-bad).map(|second| line(second, 200).repeat(5)).collect();
            let bad: String = (-bad..0).map(|second| line(second, status)).collect();
            read(&(good + &bad), &LogArgs::default()).0.damage
        };
        let why = log(60).unwrap();
        assert!(why.starts_with("at the end, ") && why.contains(words), "{why}");
        assert_eq!(log(9), None, "a blip");
    }
}

#[test]
fn a_version_that_hangs_is_rolled_back_and_is_no_wrong_clock() {
    // Apache logs when a request began: each line is a minute late, and says only that it failed.
    for status in [504, 502, 499] {
        let args = LogArgs { count_client_aborts: true, ..LogArgs::default() };
        let mut log = Log::new(Criteria { since: Some(start()), ..FIVE }, &args, true);
        let before: String = (-300..0).map(|second| line(second, 200)).collect();
        log.take_lines(&mut before.into_bytes(), start(), Duration::ZERO);
        for second in 62..180_u64 {
            let elapsed = Duration::from_secs(second);
            log.take_lines(
                &mut line(second.cast_signed() - 61, status).into_bytes(),
                start() + elapsed,
                elapsed,
            );
        }
        let (evidence, _) = log.finish(None);
        assert_eq!((evidence.damage.as_deref(), baseline(&evidence)), (None, (300, 0)), "{status}");
        assert!(evidence.is_bad(), "{status}");
    }
    // Long requests whose duration is known are late, too; they show no wrong clock.
    let mut log = Log::new(Criteria { since: Some(start()), ..FIVE }, &LogArgs::default(), true);
    for second in 62..180_u64 {
        let elapsed = Duration::from_secs(second);
        let slow = line(second.cast_signed() - 61, 200).replace('}', ",\"duration_ms\":61000}");
        log.take_lines(&mut slow.into_bytes(), start() + elapsed, elapsed);
    }
    assert_eq!(log.finish(None).0.damage, None);
}

#[test]
fn a_baseline_that_is_read_too_late_is_not_ignored() {
    let recorded = |text: &str| {
        let since = Some(at(-300));
        let mut log = Log::new(Criteria { since, ..FIVE }, &LogArgs::default(), false);
        log.take_lines(&mut text.as_bytes().to_vec(), start(), Duration::ZERO);
        log.finish(None).0
    };
    for status in [200, 500] {
        let old: String = (-3600..-300).map(|second| line(second, status)).collect();
        let new: String = (-299..0).map(|second| line(second, status)).collect();
        let wrong = recorded(&[new.clone(), old.clone()].concat()).damage.unwrap();
        assert!(wrong.contains("lines from before the deployment follow later ones"), "{wrong}");
        let right = recorded(&[old, new].concat());
        assert_eq!((right.damage.as_deref(), baseline(&right).0), (None, 3300));
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..300), is_watched: bool,
    ) {
        let mut log = Log::new(Criteria { since: Some(start()), ..FIVE }, &LogArgs::default(), is_watched);
        log.take_lines(&mut bytes.clone(), start(), Duration::ZERO);
        let _ = log.finish(None);
    }

    #[test]
    fn no_text_of_a_client_makes_a_line_unreadable(
        user in "[ -~]{0,30}", request in "[ -~]{0,30}", agent in "[ -~]{0,30}", is_apache: bool,
    ) {
        // As the servers escape it.
        let escaped = |text: &str| {
            let (quote, slash) = if is_apache { ("\\\"", "\\\\") } else { ("\\x22", "\\x5C") };
            text.replace('\\', slash).replace('"', quote)
        };
        let (user, request, agent) = (escaped(&user), escaped(&request), escaped(&agent));
        let line = format!(
            "203.0.113.9 - {user} [01/Jan/2026:00:00:00 +0000] \"{request}\" 500 12 \"-\" \"{agent}\" rt=0.250\n"
        );
        let mut log = Log::new(FIVE, &LogArgs::default(), false);
        log.take_lines(&mut line.into_bytes(), start(), Duration::ZERO);
        prop_assert_eq!(counts(&log.finish(None).0), (1, 1));
    }
}

/// What comes of a log that is read in pieces, as from a pipe.
fn read_in_pieces(mut log: Log, text: &str, now: DateTime<Utc>) -> (Evidence, Vec<String>) {
    let mut rest = Vec::new();
    for piece in text.as_bytes().chunks(64 * 1024) {
        if log.is_over() {
            break;
        }
        rest.extend_from_slice(piece);
        log.take_lines(&mut rest, now, Duration::ZERO);
        assert!(rest.len() <= MAX_LINE_BYTES, "memory is bounded");
    }
    log.finish(None)
}

/// Four lines a second, of which every fourth has this status.
fn every_fourth(seconds: std::ops::Range<i64>, status: u16) -> String {
    seconds.map(|second| line(second, 200).repeat(3) + &line(second, status)).collect()
}

#[test]
fn a_line_that_is_too_long_hides_no_other() {
    let lines = ["x".repeat(3_000_000) + "\n", format!("{}{}", "\0".repeat(2_000_000), line(-230, 200))];
    for too_long in lines {
        for (status, is_bad) in [(500, true), (200, false)] {
            for at in [-240, -235, -200] {
                let text = every_fourth(-240..at, status) + &too_long + &every_fourth(at..0, status);
                let log = Log::new(FIVE, &LogArgs::default(), false);
                let (evidence, _) = read_in_pieces(log, &text, start());
                assert_eq!((evidence.damage.as_deref(), evidence.is_bad()), (None, is_bad), "{status}, {at}");
                assert!(is_bad || counts(&evidence) == (960, 0), "{:?}", counts(&evidence));
            }
        }
    }
}

#[test]
fn a_log_that_ended_long_ago_is_a_recording() {
    let judged = |text: &str, minutes: i64| {
        let now = start() + TimeDelta::minutes(minutes);
        let log = Log::new(FIVE, &LogArgs::default(), false).refuse_recording(now);
        read_in_pieces(log, text, now).0
    };
    for status in [200, 500] {
        assert_eq!(judged(&every_fourth(-240..0, status), 9).damage, None);
        let old = judged(&every_fourth(-240..0, status), 24 * 60).damage.unwrap();
        assert!(old.contains("the log is a recording: its last request was 24h00m ago"), "{old}");
    }
    // It began long ago and goes on until now.
    let whole = judged(&(every_fourth(-240..0, 500) + &every_fourth(0..3600, 200)), 60);
    assert_eq!((whole.damage.as_deref(), whole.is_bad()), (None, true));
}
