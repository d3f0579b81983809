//! Which test waits for which: as written, and by the values that are captured and used.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use crate::fields::{Faults, alike};
use http_expect::excerpt::quoted;

/// A name in the file and its place.
pub(crate) type Named = (String, Range<usize>);

/// What a test says about the others.
#[derive(Debug, Clone, Default)]
pub(crate) struct Links {
    /// Its own name.
    pub(crate) name: String,
    /// The place of its name.
    pub(crate) at: Range<usize>,
    /// The tests that it names.
    pub(crate) depends_on: Vec<Named>,
    /// The values that it captures.
    pub(crate) captures: Vec<Named>,
    /// The values that it uses.
    pub(crate) uses: Vec<Named>,
}

/// For each test the places of those that it waits for.
pub(crate) fn resolve(tests: &[Links], faults: &mut Faults) -> Vec<Vec<usize>> {
    let by_name: HashMap<&str, usize> =
        tests.iter().enumerate().map(|(at, test)| (test.name.as_str(), at)).collect();
    let mut captured_by: HashMap<&str, usize> = HashMap::new();
    for (place, test) in tests.iter().enumerate() {
        for (name, at) in &test.captures {
            if let Some(&first) = captured_by.get(name.as_str()) {
                let first = tests.get(first).map(|test| quoted(&test.name)).unwrap_or_default();
                faults.note(at.clone(), format!("{name} is already captured by the test {first}"));
            } else {
                captured_by.insert(name, place);
            }
        }
    }
    let mut resolve = |wanted: &[Named], known: &HashMap<&str, usize>, what: &str| -> Vec<usize> {
        let mut found = Vec::new();
        for (name, at) in wanted {
            if let Some(&place) = known.get(name.as_str()) {
                found.push(place);
                continue;
            }
            let hint = alike(name, known.keys().copied())
                .map(|known| format!("; did you mean {}?", quoted(known)))
                .unwrap_or_default();
            faults.note(at.clone(), format!("{what} {}{hint}", quoted(name)));
        }
        found
    };
    let links: Vec<Vec<usize>> = tests
        .iter()
        .map(|test| {
            let mut waits_for: BTreeSet<usize> =
                resolve(&test.depends_on, &by_name, "there is no test").into_iter().collect();
            waits_for.extend(resolve(&test.uses, &captured_by, "no test captures a value of the name"));
            waits_for.into_iter().collect()
        })
        .collect();
    if let Some(circle) = circle(&links) {
        let mut names: Vec<String> =
            circle.iter().filter_map(|&at| Some(quoted(&tests.get(at)?.name))).collect();
        names.extend(names.first().cloned());
        if let Some(first) = circle.first().and_then(|&at| tests.get(at)) {
            faults.note(first.at.clone(), format!("the test waits for itself: {}", names.join(" → ")));
        }
    }
    links
}

/// Some tests that wait for each other in a circle.
fn circle(links: &[Vec<usize>]) -> Option<Vec<usize>> {
    // Those that can be done are taken away, until no more can.
    let mut waits_for: Vec<usize> = links.iter().map(Vec::len).collect();
    let dependents = dependents(links);
    let mut ready: Vec<usize> =
        (0..links.len()).filter(|&at| links.get(at).is_some_and(Vec::is_empty)).collect();
    while let Some(done) = ready.pop() {
        for &dependent in dependents.get(done).into_iter().flatten() {
            if let Some(left) = waits_for.get_mut(dependent) {
                *left -= 1;
                if *left == 0 {
                    ready.push(dependent);
                }
            }
        }
    }
    // Each that is left waits for another that is left: going on, one comes back to where one was.
    let is_left = |at: usize| waits_for.get(at).is_some_and(|&left| left > 0);
    let mut path = vec![(0..links.len()).find(|&at| is_left(at))?];
    loop {
        let next = links.get(*path.last()?)?.iter().copied().find(|&at| is_left(at))?;
        if let Some(start) = path.iter().position(|&at| at == next) {
            return Some(path.split_off(start));
        }
        path.push(next);
    }
}

/// The links, the other way round: for each test those that wait for it.
pub(crate) fn dependents(links: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut dependents = vec![Vec::new(); links.len()];
    for (at, waits_for) in links.iter().enumerate() {
        for &before in waits_for {
            if let Some(dependents) = dependents.get_mut(before) {
                dependents.push(at);
            }
        }
    }
    dependents
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    fn test(name: &str, depends_on: &[&str], captures: &[&str], uses: &[&str]) -> Links {
        let named = |names: &[&str]| names.iter().map(|&name| (name.to_owned(), 0..0)).collect();
        Links {
            name: name.to_owned(),
            at: 0..0,
            depends_on: named(depends_on),
            captures: named(captures),
            uses: named(uses),
        }
    }

    fn told(tests: &[Links]) -> Result<Vec<Vec<usize>>, Vec<String>> {
        let mut faults = Faults::default();
        let links = resolve(tests, &mut faults);
        faults
            .told()
            .map(|()| links)
            .map_err(|faults| faults.into_iter().map(|fault| fault.message).collect())
    }

    #[test]
    fn a_test_waits_for_those_it_names_and_those_whose_values_it_uses() {
        let tests = [
            test("orders", &["health"], &[], &["token"]),
            test("login", &[], &["token"], &[]),
            test("health", &[], &[], &[]),
        ];
        assert_eq!(told(&tests), Ok(vec![vec![1, 2], vec![], vec![]]));
    }

    #[test]
    fn what_is_unknown_twice_or_round_is_told() {
        let unknown = [test("login", &["helth"], &[], &["tokn"]), test("health", &[], &["token"], &[])];
        assert_eq!(
            told(&unknown).unwrap_err(),
            [
                "there is no test \"helth\"; did you mean \"health\"?",
                "no test captures a value of the name \"tokn\"; did you mean \"token\"?"
            ]
        );
        let twice = [test("a", &[], &["x"], &[]), test("b", &[], &["x"], &[])];
        assert_eq!(told(&twice).unwrap_err(), ["x is already captured by the test \"a\""]);
        let round =
            [test("end", &["a"], &[], &[]), test("a", &["b"], &["x"], &[]), test("b", &[], &[], &["x"])];
        assert_eq!(told(&round).unwrap_err(), ["the test waits for itself: \"a\" → \"b\" → \"a\""]);
        assert_eq!(
            told(&[test("a", &["a"], &[], &[])]).unwrap_err(),
            ["the test waits for itself: \"a\" → \"a\""]
        );
    }

    proptest! {
        #[test]
        fn links_that_only_go_back_are_never_round(
            links in proptest::collection::vec(proptest::collection::vec(0_usize..1000, 0..4), 0..30),
        ) {
            let back: Vec<Vec<usize>> = links
                .iter()
                .enumerate()
                .map(|(at, to)| {
                    to.iter().filter(|_| at > 0).map(|to| to % at).collect::<BTreeSet<_>>().into_iter().collect()
                })
                .collect();
            prop_assert_eq!(circle(&back), None);
            // With one link forward, from the first to the last, only a way from the last to the first closes a circle.
            if let Some(circle) = circle(&links.iter().map(|to| to.iter().map(|to| to % links.len()).collect::<BTreeSet<_>>().into_iter().collect()).collect::<Vec<Vec<usize>>>()) {
                prop_assert!(!circle.is_empty());
            }
        }
    }
}
