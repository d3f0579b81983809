//! Parses the Prometheus text format 0.0.4. Other programs also push to a Pushgateway, so invalid lines are skipped and no
//! input makes the parser panic.

use std::collections::{BTreeMap, HashMap};

use super::catalog::Kind;
use super::exposition::{Exposition, FamilySeries, Histogram, Labels, Value};

/// The families in `text`, with the series that `keep` accepts. `keep` may remove labels.
///
/// `may_match` filters raw lines first: a Pushgateway may contain thousands of other groups, and searching for a byte
/// string is cheaper than parsing labels.
pub(crate) fn parse(
    text: &str,
    may_match: impl Fn(&str) -> bool,
    keep: impl Fn(&mut Labels) -> bool,
) -> Exposition {
    let mut types: HashMap<&str, Kind> = HashMap::new();
    let mut helps: HashMap<&str, String> = HashMap::new();
    let mut exposition = Exposition::default();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            if let Some((name, kind)) = comment.strip_prefix("TYPE ").and_then(|rest| rest.split_once(' ')) {
                types.extend(parse_kind(kind.trim()).map(|kind| (name, kind)));
            } else if let Some((name, help)) =
                comment.strip_prefix("HELP ").and_then(|rest| rest.split_once(' '))
            {
                helps.insert(name, unescape(help));
            }
            continue;
        }
        if !may_match(line) {
            continue;
        }
        let Some((name, mut labels, number)) = parse_sample(line) else { continue };
        let (family, part) = split_suffix(name, &types);
        let Some(kind) = types.get(family).copied() else { continue };
        let bound = labels.remove("le").filter(|_| part == Part::Bucket);
        if !keep(&mut labels) {
            continue;
        }
        let group = exposition.families.entry(family.to_owned()).or_insert_with(|| FamilySeries {
            kind,
            help: helps.get(family).cloned().unwrap_or_default(),
            series: BTreeMap::new(),
        });
        insert(group, labels, part, bound.as_deref(), number);
    }
    exposition
}

/// All families in `text`.
pub(crate) fn parse_all(text: &str) -> Exposition {
    parse(text, |_| true, |_| true)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Whole,
    Bucket,
    Sum,
    Count,
}

/// The family of a series: `x_bucket`, `x_sum` and `x_count` are parts of the histogram `x`.
fn split_suffix<'a>(name: &'a str, types: &HashMap<&str, Kind>) -> (&'a str, Part) {
    for (suffix, part) in [("_bucket", Part::Bucket), ("_sum", Part::Sum), ("_count", Part::Count)] {
        if let Some(family) = name.strip_suffix(suffix)
            && types.get(family) == Some(&Kind::Histogram)
        {
            return (family, part);
        }
    }
    (name, Part::Whole)
}

fn insert(group: &mut FamilySeries, labels: Labels, part: Part, bound: Option<&str>, number: f64) {
    if part == Part::Whole {
        group.series.insert(labels, Value::Number(number));
        return;
    }
    let value = group.series.entry(labels).or_insert_with(|| Value::Histogram(Histogram::default()));
    let Value::Histogram(histogram) = value else { return };
    match part {
        Part::Sum => histogram.sum = number,
        Part::Count => histogram.count = number,
        Part::Bucket | Part::Whole => {
            // The bucket +Inf equals the count.
            if let Some(bound) =
                bound.and_then(|text| text.parse::<f64>().ok()).filter(|bound| bound.is_finite())
            {
                let at = histogram.buckets.partition_point(|(other, _)| *other < bound);
                histogram.buckets.insert(at, (bound, number));
            }
        }
    }
}

/// The tools write three types. A family of another type, or without a type, belongs to another program.
fn parse_kind(text: &str) -> Option<Kind> {
    match text {
        "counter" => Some(Kind::Counter),
        "gauge" => Some(Kind::Gauge),
        "histogram" => Some(Kind::Histogram),
        _ => None,
    }
}

/// Splits `name{a="1",b="2"} 3` into its three parts.
fn parse_sample(line: &str) -> Option<(&str, Labels, f64)> {
    let line = line.trim();
    let name_end = line.find(|c: char| c == '{' || c.is_ascii_whitespace())?;
    let (name, rest) = line.split_at(name_end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inside) => parse_labels(inside)?,
        None => (Labels::new(), rest),
    };
    // A timestamp may follow the value. A Pushgateway writes none.
    let number = rest.split_ascii_whitespace().next()?.parse().ok()?;
    (!name.is_empty()).then_some((name, labels, number))
}

/// The labels up to the closing brace, and the rest of the line.
fn parse_labels(mut rest: &str) -> Option<(Labels, &str)> {
    let mut labels = Labels::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(after) = rest.strip_prefix('}') {
            return Some((labels, after));
        }
        let (name, value) = rest.split_once("=\"")?;
        let end = find_closing_quote(value)?;
        labels.insert(name.trim().to_owned(), unescape(&value[..end]));
        rest = &value[end + 1..];
    }
}

fn find_closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('n') => plain.push('\n'),
                Some(other) => plain.push(other),
                None => plain.push('\\'),
            },
            (c, false) => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metrics::catalog;
    use crate::metrics::encode::encode;

    #[test]
    fn the_form_of_a_pushgateway_is_parsed() {
        let text = "# HELP deployment_total Finished runs.\n# TYPE deployment_total counter\n\
            deployment_total{instance=\"\",job=\"dm_counters\",status=\"success\"} 1.5e+06\n\
            push_time_seconds{instance=\"\",job=\"dm_counters\"} 1.7e9\n\
            garbage{\nmore garbage\n{} 1\nx{a=\"1} 2\n";
        let found = parse(text, |line| line.contains("deployment"), |labels| labels.remove("job").is_some());
        let group = &found.families["deployment_total"];
        assert_eq!((group.kind, group.help.as_str()), (Kind::Counter, "Finished runs."));
        assert_eq!(group.series.values().cloned().collect::<Vec<_>>(), [Value::Number(1_500_000.0)]);
        assert_eq!(found.families.len(), 1);
    }

    proptest! {
        #[test]
        fn parse_reverses_encode(
            value in "\\PC*|[\\\\\"\n{},=]*",
            number in -1e15..1e15_f64,
            observed in proptest::collection::vec(0.0..5000.0_f64, 0..9),
        ) {
            let mut exposition = Exposition::default();
            exposition.set(catalog::DURATION, &[("status", &value)], number);
            let bounds = catalog::TIME_TO_DEPLOY_BUCKETS;
            for seconds in observed {
                exposition.histogram(catalog::TIME_TO_DEPLOY, &[("service", &value)], bounds).observe(seconds);
            }
            let text = String::from_utf8(encode(&exposition).unwrap()).unwrap();
            prop_assert_eq!(parse_all(&text), exposition);
        }

        #[test]
        fn no_input_panics(text in "([a-z_]{0,3}|[{}\"\\\\,= \n#]|TYPE|HELP|1e|_bucket|le|\\PC){0,60}") {
            parse_all(&text);
        }
    }
}
