//! Whether a stream has all its tests.

use std::collections::HashSet;

/// The plan, and the numbers of the tests.
#[derive(Debug, Default)]
pub(super) struct Plan {
    planned: Option<u64>,
    received: u64,
    numbers: HashSet<u64>,
    /// The first fault.
    fault: Option<String>,
}

impl Plan {
    /// Adds a plan: the text after `1..`.
    pub(super) fn add_plan(&mut self, text: &str) {
        let Some(number) = text.split_whitespace().next().and_then(|number| number.parse().ok()) else {
            return;
        };
        match self.planned {
            Some(planned) if planned != number => {
                self.note(format!("there are two plans, 1..{planned} and 1..{number}"));
            }
            _ => self.planned = Some(number),
        }
    }

    /// Adds a test with its number, if it has one.
    pub(super) fn add_test(&mut self, number: Option<u64>) {
        self.received += 1;
        if let Some(number) = number.filter(|number| !self.numbers.insert(*number)) {
            self.note(format!("the number {number} comes more than once: these are several streams in one, or output of a test"));
        }
    }

    /// Whether all planned tests were received.
    pub(super) fn is_complete(&self) -> bool {
        self.planned == Some(self.received)
    }

    /// Begins the next of several streams.
    pub(super) fn next_stream(&mut self) {
        let is_first = self.planned.is_none() && self.received == 0;
        if !is_first {
            self.fault = std::mem::take(self).fault();
        }
    }

    /// Why tests may be missing.
    pub(super) fn fault(self) -> Option<String> {
        let Some(planned) = self.planned else {
            let none = "there is no plan: the runner did not finish, or this is not TAP".to_owned();
            return Some(self.fault.unwrap_or(none));
        };
        let received = self.received;
        let outside = self.numbers.into_iter().filter(|number| *number == 0 || *number > planned).max();
        self.fault.or_else(|| {
            (planned != received).then(|| {
                format!("the plan is {planned} tests, but the report has {received}: the runner did not finish")
            })
        }).or_else(|| outside.map(|number| format!("the test {number} is outside the plan 1..{planned}")))
    }

    /// Notes a fault; the first one counts.
    pub(super) fn note(&mut self, fault: String) {
        self.fault.get_or_insert(fault);
    }
}
