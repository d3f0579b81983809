//! The order in which tests can be begun: the suite's, but for those that wait for others. Pure.

use std::collections::BTreeSet;

use crate::suite::dependencies::dependents;

/// What is still to be done. Tests are their places in the suite.
#[derive(Debug)]
pub struct Schedule {
    /// How many others each still waits for.
    waits_for: Vec<usize>,
    /// Those that wait for each.
    dependents: Vec<Vec<usize>>,
    ready: BTreeSet<usize>,
    /// Begun, or never to be.
    settled: Vec<bool>,
}

impl Schedule {
    /// For each test those that it waits for.
    pub fn new(links: &[Vec<usize>]) -> Self {
        Self {
            waits_for: links.iter().map(Vec::len).collect(),
            dependents: dependents(links),
            ready: links.iter().enumerate().filter(|(_, links)| links.is_empty()).map(|(at, _)| at).collect(),
            settled: vec![false; links.len()],
        }
    }

    /// The first test that can be begun.
    pub fn begin(&mut self) -> Option<usize> {
        let at = self.ready.pop_first()?;
        self.settle(at);
        Some(at)
    }

    /// A test has passed: those that waited for it alone can be begun.
    pub fn passed(&mut self, at: usize) {
        for &dependent in self.dependents.get(at).into_iter().flatten() {
            if let Some(left) = self.waits_for.get_mut(dependent) {
                *left -= 1;
                if *left == 0 && self.settled.get(dependent) == Some(&false) {
                    self.ready.insert(dependent);
                }
            }
        }
    }

    /// A test has not passed: the tests that can never be begun for it, each with the one that it waited for.
    pub fn failed(&mut self, at: usize) -> Vec<(usize, usize)> {
        let mut lost = Vec::new();
        let mut todo = vec![at];
        while let Some(before) = todo.pop() {
            for dependent in self.dependents.get(before).cloned().unwrap_or_default() {
                if self.settled.get(dependent) == Some(&false) {
                    self.settle(dependent);
                    lost.push((dependent, before));
                    todo.push(dependent);
                }
            }
        }
        lost
    }

    /// The tests that were not begun; none of them will be.
    pub fn abandon(&mut self) -> Vec<usize> {
        self.ready.clear();
        let left = (0..self.settled.len()).filter(|&at| self.settled.get(at) == Some(&false)).collect();
        self.settled.fill(true);
        left
    }

    fn settle(&mut self, at: usize) {
        if let Some(settled) = self.settled.get_mut(at) {
            *settled = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    #[test]
    fn those_that_wait_come_after_what_they_wait_for() {
        let mut schedule = Schedule::new(&[vec![2], vec![], vec![], vec![0, 1]]);
        assert_eq!((schedule.begin(), schedule.begin(), schedule.begin()), (Some(1), Some(2), None));
        schedule.passed(2);
        assert_eq!((schedule.begin(), schedule.begin()), (Some(0), None));
        schedule.passed(1);
        assert_eq!(schedule.begin(), None);
        schedule.passed(0);
        assert_eq!(schedule.begin(), Some(3));
    }

    #[test]
    fn what_can_never_be_begun_is_told_once_with_its_cause() {
        let mut schedule = Schedule::new(&[vec![], vec![0], vec![1], vec![], vec![3, 1]]);
        assert_eq!((schedule.begin(), schedule.begin()), (Some(0), Some(3)));
        assert_eq!(schedule.failed(0), [(1, 0), (2, 1), (4, 1)]);
        assert_eq!(schedule.failed(3), []);
        assert_eq!(schedule.abandon(), Vec::<usize>::new());
    }

    proptest! {
        #[test]
        fn every_test_is_begun_or_lost_exactly_once(
            links in proptest::collection::vec(proptest::collection::btree_set(0_usize..50, 0..4), 1..40),
            good in proptest::collection::vec(any::<bool>(), 40),
        ) {
            let back: Vec<Vec<usize>> = links
                .iter()
                .enumerate()
                .map(|(at, to)| to.iter().filter(|_| at > 0).map(|to| to % at).collect::<BTreeSet<_>>().into_iter().collect())
                .collect();
            let mut schedule = Schedule::new(&back);
            let mut seen = Vec::new();
            while let Some(at) = schedule.begin() {
                prop_assert!(back[at].iter().all(|before| seen.contains(before) && good[*before]));
                seen.push(at);
                if good[at] {
                    schedule.passed(at);
                } else {
                    seen.extend(schedule.failed(at).into_iter().map(|(lost, _)| lost));
                }
            }
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..back.len()).collect::<Vec<_>>());
        }
    }
}
