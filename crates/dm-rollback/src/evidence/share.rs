//! Which failures that name no version are those of the deployed version: as many as its share of the answers. Pure.

/// The number of buckets without any answer after which nobody answers: then the deployed version does not either,
/// whatever its share was.
const SILENT: i64 = 4;

/// The deployed version's share of the latest answers of one target.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Share {
    /// The last bucket with an answer, and the one before.
    latest: Answers,
    before: Answers,
    /// The part of a failure that is carried over to the next one.
    credit: f64,
}

/// The answers in one bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Answers {
    bucket: i64,
    ours: u32,
    all: u32,
}

impl Share {
    /// Counts an answer: one that names its version, or a success.
    pub(super) fn answered(&mut self, bucket: i64, is_ours: bool) {
        if bucket > self.latest.bucket || self.latest.all == 0 {
            self.before = std::mem::replace(&mut self.latest, Answers { bucket, ours: 0, all: 0 });
        }
        self.latest.ours = self.latest.ours.saturating_add(u32::from(is_ours));
        self.latest.all = self.latest.all.saturating_add(1);
    }

    /// Counts a failure that names no version, and returns whether it is one of the deployed version.
    pub(super) fn takes_failure(&mut self, bucket: i64) -> bool {
        if bucket - self.latest.bucket > SILENT {
            return true;
        }
        let all = f64::from(self.latest.all) + f64::from(self.before.all);
        self.credit += (f64::from(self.latest.ours) + f64::from(self.before.ours)) / all.max(1.0);
        let is_ours = self.credit >= 1.0 - 1e-9;
        self.credit -= f64::from(u8::from(is_ours));
        is_ours
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(answers: &[(i64, bool)], failures: &[i64]) -> usize {
        let mut share = Share::default();
        for (bucket, is_ours) in answers {
            share.answered(*bucket, *is_ours);
        }
        failures.iter().filter(|bucket| share.takes_failure(**bucket)).count()
    }

    #[test]
    fn a_version_takes_failures_in_proportion_to_its_answers() {
        assert_eq!(taken(&[(0, true), (0, false), (0, false), (0, false)], &[0; 100]), 25);
        assert_eq!(taken(&[(0, false)], &[0; 100]), 0, "it has not answered");
        assert_eq!(taken(&[(0, true)], &[0; 100]), 100);
        assert_eq!(taken(&[(0, false), (1, true), (2, true)], &[2; 100]), 100, "the latest buckets count");
    }

    #[test]
    fn if_nobody_answers_any_more_it_does_not_either() {
        assert_eq!(taken(&[(0, false)], &[1, 2, 3, 4]), 0);
        assert_eq!(taken(&[(0, false)], &[5, 6, 7]), 3);
    }
}
