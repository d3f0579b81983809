//! How requests and evidence grew during the watch, in a bounded number of points. Pure.

use crate::decision::control_test::Group;

/// The maximum number of points. Even, so that pairs of them can be joined.
const MAX_POINTS: usize = 60;

/// The points of a watch. Each stands for the same number of buckets with requests, which doubles if there are too many.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Curve {
    points: Vec<Point>,
    /// How often the points were joined.
    joined: u32,
    /// How many buckets the last point stands for.
    last: usize,
}

/// Some buckets of a watch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    /// The first and the last bucket.
    pub(super) buckets: (i64, i64),
    pub(super) requests: Group,
    /// The evidence after the last bucket, as a natural logarithm.
    pub(super) evidence: f64,
}

impl Curve {
    /// Adds a bucket, and the evidence after it.
    pub(super) fn add(&mut self, bucket: i64, requests: Group, evidence: f64) {
        let new = Point { buckets: (bucket, bucket), requests, evidence };
        let is_full = self.last >= 1 << self.joined;
        if let Some(point) = self.points.last_mut().filter(|_| !is_full) {
            *point = point.then(new);
            self.last += 1;
            return;
        }
        if self.points.len() == MAX_POINTS {
            self.points = self.points.chunks_exact(2).map(|pair| pair[0].then(pair[1])).collect();
            self.joined += 1;
        }
        self.points.push(new);
        self.last = 1;
    }

    /// Oldest first.
    pub(super) fn points(&self) -> &[Point] {
        &self.points
    }
}

impl Point {
    /// Both, one after the other.
    fn then(self, next: Self) -> Self {
        let mut requests = self.requests;
        requests.add(next.requests);
        Self { buckets: (self.buckets.0, next.buckets.1), requests, evidence: next.evidence }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn evidence(bucket: i64) -> f64 {
        f64::from(i32::try_from(bucket).unwrap())
    }

    proptest! {
        #[test]
        fn few_points_say_it_all(buckets in 1_i64..3000) {
            let mut curve = Curve::default();
            for bucket in 0..buckets {
                curve.add(bucket, Group { total: 2, errors: u64::from(bucket % 2 == 0) }, evidence(bucket));
            }
            let points = curve.points();
            prop_assert!((1..=MAX_POINTS).contains(&points.len()));
            prop_assert!(points.len() >= MAX_POINTS / 2 || points.len() == usize::try_from(buckets).unwrap());
            let total: u64 = points.iter().map(|point| point.requests.total).sum();
            let errors: u64 = points.iter().map(|point| point.requests.errors).sum();
            let buckets = u64::try_from(buckets).unwrap();
            prop_assert_eq!((total, errors), (2 * buckets, buckets.div_ceil(2)));
            prop_assert!(points.windows(2).all(|pair| pair[0].buckets.1 + 1 == pair[1].buckets.0));
            let is_last = |point: &Point| point.evidence.to_bits() == evidence(point.buckets.1).to_bits();
            prop_assert!(points.iter().all(is_last));
        }
    }
}
