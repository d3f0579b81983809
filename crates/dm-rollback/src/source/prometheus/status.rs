//! Which statuses are failures of the server: of HTTP and of gRPC. Pure.

use super::selector::Matcher;
use super::series::Labels;

/// The labels that usually hold a status. A request over gRPC may have one of HTTP too.
pub(super) const STATUS_LABELS: [&str; 11] = [
    "status",
    "code",
    "status_code",
    "http_response_status_code",
    "response_code",
    "http_status_code",
    "grpc_code",
    "grpc_status",
    "grpc_response_status",
    "rpc_grpc_status_code",
    "rpc_response_status_code",
];

/// The status codes of gRPC, in the order of their numbers.
const GRPC: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// Those that are the server's fault, as OpenTelemetry's conventions for servers define it.
const GRPC_FAULTS: [usize; 6] = [2, 4, 12, 13, 14, 15];

/// The form of a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `503`
    Code,
    /// `5xx`
    Class,
    /// `14`
    GrpcNumber,
    /// `UNAVAILABLE` or `Unavailable`
    GrpcName,
    /// Any other word.
    Other,
}

/// Whether a status is a failure of the server. `None` if it is no status.
fn is_failure(value: &str) -> Option<bool> {
    match form(value) {
        Form::Code | Form::Class => Some(value.starts_with('5')),
        Form::GrpcNumber | Form::GrpcName => Some(GRPC_FAULTS.contains(&grpc_number(value)?)),
        Form::Other => None,
    }
}

fn form(value: &str) -> Form {
    let is_digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    match value.len() {
        3 if is_digits => Form::Code,
        3 if value.as_bytes()[0].is_ascii_digit() && value[1..].eq_ignore_ascii_case("xx") => Form::Class,
        _ => match grpc_number(value) {
            Some(_) if is_digits => Form::GrpcNumber,
            Some(_) => Form::GrpcName,
            None => Form::Other,
        },
    }
}

/// The number of a status of gRPC, which is written as a number, or as a name in one of several ways.
fn grpc_number(value: &str) -> Option<usize> {
    if let Ok(number) = value.parse::<usize>() {
        return (number < GRPC.len() && value.len() <= 2).then_some(number);
    }
    let plain = value.replace('_', "").to_ascii_uppercase();
    // gRPC for Go writes one name with a single L.
    let plain = if plain == "CANCELED" { "CANCELLED".to_owned() } else { plain };
    GRPC.iter().position(|name| name.replace('_', "") == plain)
}

/// The label with which Istio and Envoy say 0 if there was no answer. Elsewhere, 0 is OK of gRPC.
const RESPONSE_CODE: &str = "response_code";

/// Whether a series counts failures, by its status. `None` if it has no status.
pub(super) fn counts_failures(series: &Labels) -> Option<bool> {
    let statuses = STATUS_LABELS.iter().filter_map(|label| Some((*label, series.get(*label)?)));
    let is_failed = |(label, status): (&str, &String)| match status.as_str() {
        // DC: the client went away before the answer.
        "0" if label == RESPONSE_CODE => {
            Some(!series.get("response_flags").is_some_and(|flags| flags.contains("DC")))
        }
        status => is_failure(status),
    };
    statuses.filter_map(is_failed).reduce(|one, other| one || other)
}

/// A status label whose values may be classes of HTTP or numbers of gRPC: all are 1 to 5, and gRPC has no OK among them.
pub(super) fn ambiguous(all: &[&Labels]) -> Option<&'static str> {
    let is_grpc = |labels: &&Labels| labels.get("__name__").is_some_and(|name| name.contains("rpc"));
    if all.iter().any(is_grpc) {
        return None;
    }
    STATUS_LABELS.into_iter().filter(|label| !label.contains("rpc")).find(|label| {
        let mut values = all.iter().filter_map(|labels| labels.get(*label)).peekable();
        values.peek().is_some() && values.all(|value| ["1", "2", "3", "4", "5"].contains(&value.as_str()))
    })
}

/// Whether these matchers can ever match a status that is written like one of the values that were seen.
pub(super) fn can_match(matchers: &[&Matcher], seen: &[String]) -> bool {
    let fits = |value: &str| matchers.iter().all(|matcher| matcher.matches(value));
    if seen.iter().any(|value| fits(value)) {
        return true;
    }
    let mut forms: Vec<Form> =
        seen.iter().filter(|value| !value.is_empty()).map(|value| form(value)).collect();
    // OK is a word that others use too.
    let is_ok = |value: &&String| value.eq_ignore_ascii_case("ok");
    let is_grpc = matchers.iter().any(|matcher| matcher.label.contains("grpc"));
    if !is_grpc && seen.iter().filter(|value| form(value) == Form::GrpcName).all(|value| is_ok(&value)) {
        forms.retain(|form| *form != Form::GrpcName);
    }
    if forms.iter().all(|form| *form == Form::Other) {
        // Words can mean anything, but one that means failure has to be selected.
        let is_failure = |value: &String| {
            let value = value.to_ascii_lowercase();
            ["fail", "error", "exception"].iter().any(|word| value.contains(word))
        };
        return !seen.iter().any(is_failure);
    }
    let names = || GRPC.iter().flat_map(|name| [(*name).to_owned(), name.to_lowercase(), camel_case(name)]);
    forms.iter().any(|form| match form {
        Form::Code => (100..600).any(|code| fits(&code.to_string())),
        Form::Class => (1..6).any(|class| fits(&format!("{class}xx")) || fits(&format!("{class}XX"))),
        Form::GrpcNumber => (0..GRPC.len()).any(|number| fits(&number.to_string())),
        Form::GrpcName => names().any(|name| fits(&name)) || fits("Canceled"),
        Form::Other => false,
    })
}

/// `DATA_LOSS` as `DataLoss`.
fn camel_case(name: &str) -> String {
    let word = |word: &str| format!("{}{}", &word[..1], word[1..].to_lowercase());
    if name == "OK" { name.to_owned() } else { name.split('_').map(word).collect() }
}

#[cfg(test)]
mod tests {
    use super::super::selector::Selector;
    use super::*;

    #[test]
    fn failures_are_those_of_the_server() {
        for bad in ["500", "503", "5xx", "5XX", "14", "2", "4", "13", "15", "12", "UNAVAILABLE", "DataLoss"] {
            assert_eq!(is_failure(bad), Some(true), "{bad}");
        }
        for bad in ["Unknown", "deadline_exceeded", "DeadlineExceeded", "Internal", "Unimplemented"] {
            assert_eq!(is_failure(bad), Some(true), "{bad}");
        }
        for good in ["200", "404", "000", "2xx", "0", "5", "16", "OK", "NotFound", "Canceled", "NOT_FOUND"] {
            assert_eq!(is_failure(good), Some(false), "{good}");
        }
        for none in ["", "17", "success", "error", "5", "50x", "05x"].into_iter().filter(|text| *text != "5")
        {
            assert_eq!(is_failure(none), None, "{none}");
        }
    }

    #[test]
    fn one_of_two_statuses_of_a_request_is_enough() {
        let labels = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Labels>()
        };
        let both = labels(&[("response_code", "200"), ("grpc_response_status", "14")]);
        assert_eq!(counts_failures(&both), Some(true));
        assert_eq!(counts_failures(&labels(&[("response_code", "0")])), Some(true), "no answer");
        assert_eq!(counts_failures(&labels(&[("code", "0")])), Some(false), "OK of gRPC");
        assert_eq!(counts_failures(&labels(&[("code", "5"), ("status", "")])), Some(false));
        assert_eq!(counts_failures(&labels(&[("method", "GET")])), None);
    }

    #[test]
    fn single_digits_are_classes_of_http_or_numbers_of_grpc() {
        let label = |name: &str, values: &[&str]| {
            let labels = |value: &&str| {
                let pairs = [("__name__", name), ("code", *value)];
                pairs
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect::<Labels>()
            };
            let all: Vec<Labels> = values.iter().map(labels).collect();
            ambiguous(&all.iter().collect::<Vec<_>>())
        };
        assert_eq!(label("http_requests_total", &["2", "5"]), Some("code"));
        assert_eq!(label("requests_total", &["0", "5"]), None, "gRPC has an OK");
        assert_eq!(label("grpc_server_handled_total", &["2"]), None);
        assert_eq!(label("http_requests_total", &["200", "5"]), None);
        assert_eq!(label("http_requests_total", &[]), None);
    }

    #[test]
    fn a_selector_of_another_form_never_matches() {
        let can = |selector: &str, seen: &[&str]| {
            let selector = Selector::parse(selector).unwrap();
            let seen: Vec<String> = seen.iter().map(|value| (*value).to_owned()).collect();
            can_match(&selector.matchers.iter().collect::<Vec<_>>(), &seen)
        };
        assert!(can(r#"a{s=~"5.."}"#, &["200", "404"]), "no errors yet");
        assert!(can(r#"a{s!~"2..|3..|4.."}"#, &["200"]));
        assert!(can(r#"a{s="5xx"}"#, &["2xx"]));
        assert!(can(r#"a{s=~"Unavailable|DataLoss"}"#, &["OK"]));
        assert!(!can(r#"a{grpc_code=~"5.."}"#, &["OK"]));
        assert!(can(r#"a{s="14"}"#, &["0", "5"]));
        assert!(can(r#"a{s="fail"}"#, &["ok"]), "a word may come");
        for (selector, seen) in [
            (r#"a{s="5xx"}"#, &["200", "404", "500"][..]),
            (r#"a{s=~"5xx|6.."}"#, &["200"]),
            (r#"a{s="500"}"#, &["2xx", "5xx"]),
            (r#"a{s=~"5.."}"#, &["OK", "Unavailable"]),
            (r#"a{s=~"5.."}"#, &["0", "14"]),
            (r#"a{s="eror"}"#, &["success", "error"]),
        ] {
            assert!(!can(selector, seen), "{selector}");
        }
    }
}
