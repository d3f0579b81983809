//! The dependencies between tests: named in `depends_on`, or implied by a captured value.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use http_expect::excerpt::quoted;

use crate::suite::fields::{Diagnostics, closest};

/// A name in the file and its position in bytes.
pub(crate) type SpannedName = (String, Range<usize>);

/// The names in a test that other tests define or use.
#[derive(Debug, Clone, Default)]
pub(crate) struct References {
    /// The name of the test.
    pub(crate) name: String,
    /// The index of its file.
    pub(crate) source: usize,
    /// The position of its name.
    pub(crate) at: Range<usize>,
    /// The tests in its `depends_on`.
    pub(crate) depends_on: Vec<SpannedName>,
    /// The values that it captures.
    pub(crate) captures: Vec<SpannedName>,
    /// The values that it uses.
    pub(crate) uses: Vec<SpannedName>,
}

/// Returns the dependencies of each test, as indices. Reports unknown and duplicate names, and cycles.
pub(crate) fn resolve(tests: &[References], diagnostics: &mut Diagnostics) -> Vec<Vec<usize>> {
    let by_name: HashMap<&str, usize> =
        tests.iter().enumerate().map(|(at, test)| (test.name.as_str(), at)).collect();
    let mut captured_by: HashMap<&str, usize> = HashMap::new();
    for (index, test) in tests.iter().enumerate() {
        diagnostics.source = test.source;
        for (name, at) in &test.captures {
            if let Some(&first) = captured_by.get(name.as_str()) {
                let first = tests.get(first).map(|test| quoted(&test.name)).unwrap_or_default();
                diagnostics.report(at.clone(), format!("{name} is already captured by the test {first}"));
            } else {
                captured_by.insert(name, index);
            }
        }
    }
    let mut resolve = |test: &References, names: &[SpannedName], known: &HashMap<&str, usize>, what: &str| {
        diagnostics.source = test.source;
        let mut indices = Vec::new();
        for (name, at) in names {
            if let Some(&index) = known.get(name.as_str()) {
                indices.push(index);
                continue;
            }
            let hint = closest(name, known.keys().copied())
                .map(|known| format!("; did you mean {}?", quoted(known)))
                .unwrap_or_default();
            diagnostics.report(at.clone(), format!("{what} {}{hint}", quoted(name)));
        }
        indices
    };
    let dependencies: Vec<Vec<usize>> = tests
        .iter()
        .map(|test| {
            let mut depends_on: BTreeSet<usize> =
                resolve(test, &test.depends_on, &by_name, "there is no test").into_iter().collect();
            depends_on.extend(resolve(test, &test.uses, &captured_by, "no test captures the value"));
            depends_on.into_iter().collect()
        })
        .collect();
    if let Some(cycle) = cycle(&dependencies) {
        let mut names: Vec<String> =
            cycle.iter().filter_map(|&at| Some(quoted(&tests.get(at)?.name))).collect();
        names.extend(names.first().cloned());
        if let Some(first) = cycle.first().and_then(|&at| tests.get(at)) {
            diagnostics.source = first.source;
            diagnostics
                .report(first.at.clone(), format!("the test depends on itself: {}", names.join(" → ")));
        }
    }
    dependencies
}

/// Finds some tests that depend on each other in a cycle.
fn cycle(dependencies: &[Vec<usize>]) -> Option<Vec<usize>> {
    // Removes every test whose dependencies are removed, until none is left to remove (Kahn's algorithm).
    let mut depends_on: Vec<usize> = dependencies.iter().map(Vec::len).collect();
    let dependents = dependents(dependencies);
    let mut ready: Vec<usize> =
        (0..dependencies.len()).filter(|&at| dependencies.get(at).is_some_and(Vec::is_empty)).collect();
    while let Some(done) = ready.pop() {
        for &dependent in dependents.get(done).into_iter().flatten() {
            if let Some(left) = depends_on.get_mut(dependent) {
                *left -= 1;
                if *left == 0 {
                    ready.push(dependent);
                }
            }
        }
    }
    // Every remaining test depends on another one that remains: the path returns to a test it has visited.
    let remains = |at: usize| depends_on.get(at).is_some_and(|&left| left > 0);
    let mut path = vec![(0..dependencies.len()).find(|&at| remains(at))?];
    loop {
        let next = dependencies.get(*path.last()?)?.iter().copied().find(|&at| remains(at))?;
        if let Some(start) = path.iter().position(|&at| at == next) {
            return Some(path.split_off(start));
        }
        path.push(next);
    }
}

/// Inverts the dependencies: for each test, the tests that depend on it.
pub(crate) fn dependents(dependencies: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut dependents = vec![Vec::new(); dependencies.len()];
    for (at, depends_on) in dependencies.iter().enumerate() {
        for &before in depends_on {
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

    fn test(name: &str, depends_on: &[&str], captures: &[&str], uses: &[&str]) -> References {
        let named = |names: &[&str]| names.iter().map(|&name| (name.to_owned(), 0..0)).collect();
        References {
            name: name.to_owned(),
            source: 0,
            at: 0..0,
            depends_on: named(depends_on),
            captures: named(captures),
            uses: named(uses),
        }
    }

    fn resolved(tests: &[References]) -> Result<Vec<Vec<usize>>, Vec<String>> {
        let mut diagnostics = Diagnostics::default();
        let links = resolve(tests, &mut diagnostics);
        diagnostics
            .into_result()
            .map(|()| links)
            .map_err(|diagnostics| diagnostics.into_iter().map(|diagnostic| diagnostic.message).collect())
    }

    #[test]
    fn a_test_depends_on_those_it_names_and_those_whose_values_it_uses() {
        let tests = [
            test("orders", &["health"], &[], &["token"]),
            test("login", &[], &["token"], &[]),
            test("health", &[], &[], &[]),
        ];
        assert_eq!(resolved(&tests), Ok(vec![vec![1, 2], vec![], vec![]]));
    }

    #[test]
    fn unknown_names_duplicates_and_cycles_are_errors() {
        let unknown = [test("login", &["helth"], &[], &["tokn"]), test("health", &[], &["token"], &[])];
        assert_eq!(
            resolved(&unknown).unwrap_err(),
            [
                "there is no test \"helth\"; did you mean \"health\"?",
                "no test captures the value \"tokn\"; did you mean \"token\"?"
            ]
        );
        let twice = [test("a", &[], &["x"], &[]), test("b", &[], &["x"], &[])];
        assert_eq!(resolved(&twice).unwrap_err(), ["x is already captured by the test \"a\""]);
        let round =
            [test("end", &["a"], &[], &[]), test("a", &["b"], &["x"], &[]), test("b", &[], &[], &["x"])];
        assert_eq!(resolved(&round).unwrap_err(), ["the test depends on itself: \"a\" → \"b\" → \"a\""]);
        assert_eq!(
            resolved(&[test("a", &["a"], &[], &[])]).unwrap_err(),
            ["the test depends on itself: \"a\" → \"a\""]
        );
    }

    proptest! {
        #[test]
        fn dependencies_on_earlier_tests_only_make_no_cycle(
            links in proptest::collection::vec(proptest::collection::vec(0_usize..1000, 0..4), 0..30),
        ) {
            let back: Vec<Vec<usize>> = links
                .iter()
                .enumerate()
                .map(|(at, to)| {
                    to.iter().filter(|_| at > 0).map(|to| to % at).collect::<BTreeSet<_>>().into_iter().collect()
                })
                .collect();
            prop_assert_eq!(cycle(&back), None);
            // Arbitrary dependencies must not panic or loop.
            if let Some(cycle) = cycle(&links.iter().map(|to| to.iter().map(|to| to % links.len()).collect::<BTreeSet<_>>().into_iter().collect()).collect::<Vec<Vec<usize>>>()) {
                prop_assert!(!cycle.is_empty());
            }
        }
    }
}
