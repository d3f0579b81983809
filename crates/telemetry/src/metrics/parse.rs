//! The Prometheus text format 0.0.4 to families. What others pushed is read here too: a line that is not understood
//! is left out, and nothing in a text can make this panic.

use std::collections::{BTreeMap, HashMap};

use super::catalog::Kind;
use super::exposition::{Exposition, Group, Histogram, Labels, Value};

/// The families in `text`, of the series that `keep` wants; it may take labels away.
///
/// `likely` is asked first, about the raw line: a gateway may hold thousands of foreign groups, and looking for one
/// byte string is cheaper than reading labels.
pub fn parse(text: &str, likely: impl Fn(&str) -> bool, keep: impl Fn(&mut Labels) -> bool) -> Exposition {
    let mut types: HashMap<&str, Kind> = HashMap::new();
    let mut helps: HashMap<&str, String> = HashMap::new();
    let mut found = Exposition::default();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            if let Some((name, kind)) = comment.strip_prefix("TYPE ").and_then(|rest| rest.split_once(' ')) {
                types.extend(kind_of(kind.trim()).map(|kind| (name, kind)));
            } else if let Some((name, help)) =
                comment.strip_prefix("HELP ").and_then(|rest| rest.split_once(' '))
            {
                helps.insert(name, unescape(help));
            }
            continue;
        }
        if !likely(line) {
            continue;
        }
        let Some((name, mut labels, number)) = sample(line) else { continue };
        let (family, part) = part_of(name, &types);
        let Some(kind) = types.get(family).copied() else { continue };
        let bound = labels.remove("le").filter(|_| part == Part::Bucket);
        if !keep(&mut labels) {
            continue;
        }
        let group = found.families.entry(family.to_owned()).or_insert_with(|| Group {
            kind,
            help: helps.get(family).cloned().unwrap_or_default(),
            series: BTreeMap::new(),
        });
        put(group, labels, part, bound.as_deref(), number);
    }
    found
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Whole,
    Bucket,
    Sum,
    Count,
}

/// The family that a series belongs to: `x_bucket`, `x_sum` and `x_count` are parts of a histogram `x`.
fn part_of<'a>(name: &'a str, types: &HashMap<&str, Kind>) -> (&'a str, Part) {
    for (suffix, part) in [("_bucket", Part::Bucket), ("_sum", Part::Sum), ("_count", Part::Count)] {
        if let Some(family) = name.strip_suffix(suffix)
            && types.get(family) == Some(&Kind::Histogram)
        {
            return (family, part);
        }
    }
    (name, Part::Whole)
}

fn put(group: &mut Group, labels: Labels, part: Part, bound: Option<&str>, number: f64) {
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
            // +Inf is the count again.
            if let Some(bound) =
                bound.and_then(|text| text.parse::<f64>().ok()).filter(|bound| bound.is_finite())
            {
                let at = histogram.buckets.partition_point(|(other, _)| *other < bound);
                histogram.buckets.insert(at, (bound, number));
            }
        }
    }
}

/// The tools write three types; a family of another, or of none, is somebody else's.
fn kind_of(text: &str) -> Option<Kind> {
    match text {
        "counter" => Some(Kind::Counter),
        "gauge" => Some(Kind::Gauge),
        "histogram" => Some(Kind::Histogram),
        _ => None,
    }
}

/// `name{a="1",b="2"} 3` as its three parts.
fn sample(line: &str) -> Option<(&str, Labels, f64)> {
    let line = line.trim();
    let name_end = line.find(|c: char| c == '{' || c.is_ascii_whitespace())?;
    let (name, rest) = line.split_at(name_end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inside) => label_pairs(inside)?,
        None => (Labels::new(), rest),
    };
    // A timestamp may follow the value; a gateway has none.
    let number = rest.split_ascii_whitespace().next()?.parse().ok()?;
    (!name.is_empty()).then_some((name, labels, number))
}

/// The pairs up to the closing brace, and what stands after it.
fn label_pairs(mut rest: &str) -> Option<(Labels, &str)> {
    let mut labels = Labels::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(after) = rest.strip_prefix('}') {
            return Some((labels, after));
        }
        let (name, value) = rest.split_once("=\"")?;
        let end = closing_quote(value)?;
        labels.insert(name.trim().to_owned(), unescape(&value[..end]));
        rest = &value[end + 1..];
    }
}

fn closing_quote(text: &str) -> Option<usize> {
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

    fn parse_all(text: &str) -> Exposition {
        parse(text, |_| true, |_| true)
    }

    #[test]
    fn a_gateway_s_own_form_is_read() {
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
        fn what_is_encoded_is_read_back(
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
        fn no_text_makes_it_panic(text in "([a-z_]{0,3}|[{}\"\\\\,= \n#]|TYPE|HELP|1e|_bucket|le|\\PC){0,60}") {
            parse_all(&text);
        }
    }
}
