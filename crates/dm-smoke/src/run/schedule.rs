//! Which test can start next: the suite's order, except that tests wait for those that they depend on. Pure.

use std::collections::BTreeSet;

use crate::suite::dependencies::dependents;

/// The tests that remain to be run, by their indexes in the suite.
#[derive(Debug)]
pub(super) struct Schedule {
    /// For each test, how many of its dependencies have not passed yet.
    pending: Vec<usize>,
    /// For each test, the tests that depend on it.
    dependents: Vec<Vec<usize>>,
    ready: BTreeSet<usize>,
    /// For each test, whether it was started or will never be.
    settled: Vec<bool>,
    /// For each test, whether it waits until [`Schedule::release`].
    held: Vec<bool>,
    is_released: bool,
}

impl Schedule {
    /// `dependencies` lists, for each test, the tests that it depends on; `held` says whether it has to wait for the end of
    /// the others.
    pub(super) fn new(dependencies: &[Vec<usize>], held: Vec<bool>) -> Self {
        let ready = dependencies.iter().enumerate().filter(|(_, list)| list.is_empty());
        Self {
            pending: dependencies.iter().map(Vec::len).collect(),
            dependents: dependents(dependencies),
            ready: ready.map(|(index, _)| index).collect(),
            settled: vec![false; dependencies.len()],
            held,
            is_released: false,
        }
    }

    /// Lets the tests start that waited for the end of the others.
    pub(super) fn release(&mut self) {
        self.is_released = true;
    }

    /// The first test that can start. It counts as started.
    pub(super) fn start_next(&mut self) -> Option<usize> {
        let index = *self.ready.iter().find(|&&index| self.is_released || !self.is_held(index))?;
        self.ready.remove(&index);
        self.settle(index);
        Some(index)
    }

    /// Releases the tests that waited only for this one.
    pub(super) fn mark_passed(&mut self, index: usize) {
        for &dependent in self.dependents.get(index).into_iter().flatten() {
            if let Some(pending) = self.pending.get_mut(dependent) {
                *pending -= 1;
                if *pending == 0 && self.settled.get(dependent) == Some(&false) {
                    self.ready.insert(dependent);
                }
            }
        }
    }

    /// Gives up the tests that depend on this one, directly or not. Returns each with the dependency that it misses.
    pub(super) fn mark_failed(&mut self, index: usize) -> Vec<(usize, usize)> {
        let mut given_up = Vec::new();
        let mut todo = vec![index];
        while let Some(dependency) = todo.pop() {
            for dependent in self.dependents.get(dependency).cloned().unwrap_or_default() {
                if self.settled.get(dependent) == Some(&false) {
                    self.settle(dependent);
                    given_up.push((dependent, dependency));
                    todo.push(dependent);
                }
            }
        }
        given_up
    }

    /// Gives up the tests that have not started, and returns them. Those that wait for the end of the others stay.
    pub(super) fn abandon(&mut self) -> Vec<usize> {
        let is_left = |&index: &usize| self.settled.get(index) == Some(&false) && !self.is_held(index);
        let given_up: Vec<usize> = (0..self.settled.len()).filter(is_left).collect();
        for &index in &given_up {
            self.ready.remove(&index);
            self.settle(index);
        }
        given_up
    }

    fn is_held(&self, index: usize) -> bool {
        self.held.get(index) == Some(&true)
    }

    fn settle(&mut self, index: usize) {
        if let Some(settled) = self.settled.get_mut(index) {
            *settled = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    #[test]
    fn dependents_start_after_their_dependencies() {
        let mut schedule = Schedule::new(&[vec![2], vec![], vec![], vec![0, 1]], vec![false; 4]);
        assert_eq!(
            (schedule.start_next(), schedule.start_next(), schedule.start_next()),
            (Some(1), Some(2), None)
        );
        schedule.mark_passed(2);
        assert_eq!((schedule.start_next(), schedule.start_next()), (Some(0), None));
        schedule.mark_passed(1);
        assert_eq!(schedule.start_next(), None);
        schedule.mark_passed(0);
        assert_eq!(schedule.start_next(), Some(3));
    }

    #[test]
    fn a_failure_gives_up_each_dependent_once_with_its_cause() {
        let mut schedule = Schedule::new(&[vec![], vec![0], vec![1], vec![], vec![3, 1]], vec![false; 5]);
        assert_eq!((schedule.start_next(), schedule.start_next()), (Some(0), Some(3)));
        assert_eq!(schedule.mark_failed(0), [(1, 0), (2, 1), (4, 1)]);
        assert_eq!(schedule.mark_failed(3), []);
        assert_eq!(schedule.abandon(), Vec::<usize>::new());
    }

    #[test]
    fn held_tests_start_after_the_others_and_are_not_abandoned() {
        let mut schedule = Schedule::new(&[vec![], vec![], vec![0], vec![1]], vec![false, false, true, true]);
        assert_eq!(
            (schedule.start_next(), schedule.start_next(), schedule.start_next()),
            (Some(0), Some(1), None)
        );
        schedule.mark_passed(0);
        assert_eq!((schedule.start_next(), schedule.abandon()), (None, vec![]));
        assert_eq!(schedule.mark_failed(1), [(3, 1)]);
        schedule.release();
        assert_eq!((schedule.start_next(), schedule.start_next()), (Some(2), None));
    }

    proptest! {
        #[test]
        fn every_test_is_started_or_given_up_exactly_once(
            links in proptest::collection::vec(proptest::collection::btree_set(0_usize..50, 0..4), 1..40),
            passes in proptest::collection::vec(any::<bool>(), 40),
        ) {
            let dependencies: Vec<Vec<usize>> = links
                .iter()
                .enumerate()
                .map(|(index, to)| {
                    let earlier = to.iter().filter(|_| index > 0).map(|to| to % index);
                    earlier.collect::<BTreeSet<_>>().into_iter().collect()
                })
                .collect();
            let mut schedule = Schedule::new(&dependencies, vec![false; dependencies.len()]);
            let mut settled = Vec::new();
            while let Some(index) = schedule.start_next() {
                prop_assert!(
                    dependencies[index].iter().all(|earlier| settled.contains(earlier) && passes[*earlier])
                );
                settled.push(index);
                if passes[index] {
                    schedule.mark_passed(index);
                } else {
                    settled.extend(schedule.mark_failed(index).into_iter().map(|(dependent, _)| dependent));
                }
            }
            settled.sort_unstable();
            prop_assert_eq!(settled, (0..dependencies.len()).collect::<Vec<_>>());
        }
    }
}
