//! The evidence from every bucket in which a fault may have begun. Pure.
//!
//! Each start has its own share of the probability of an error, and the shares add up to 1. The evidence of a start is
//! that of a mixture of alternatives (a method of mixtures: Howard, Ramdas, McAuliffe and Sekhon 2021, arXiv 1810.08240).
//! By Ville's inequality, a false proof ever happens with a probability of at most [`ALPHA`].

use std::collections::VecDeque;

/// The maximum probability of a false proof, in a watch of any length.
pub(crate) const ALPHA: f64 = 0.01;

/// The maximum number of starts kept: the first, and the latest of the others.
const STARTS: usize = 60;

/// How evidence is combined over buckets.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mixture {
    /// The weight of each alternative, as a logarithm; the weights add up to 1.
    log_weights: Vec<f64>,
    /// The share of the first start: most faults are there from the beginning.
    first_share: f64,
    /// The minimum number of buckets of a proof.
    persistence: f64,
    starts: VecDeque<Start>,
    buckets: u64,
}

/// The evidence of all buckets from one start on.
#[derive(Debug, Clone, PartialEq)]
struct Start {
    /// The evidence that is a proof: the logarithm of 1 / (its share of [`ALPHA`]).
    needed: f64,
    /// The evidence for each alternative.
    sums: Vec<f64>,
    /// The requests, and the errors among them, before this start.
    before: (u64, u64),
}

impl Mixture {
    /// A mixture of alternatives with these weights, which need not add up to 1.
    pub(super) fn new(weights: &[f64], first_share: f64, persistence: u32) -> Self {
        let sum: f64 = weights.iter().sum();
        Self {
            log_weights: weights.iter().map(|weight| (weight / sum).ln()).collect(),
            first_share,
            persistence: f64::from(persistence),
            starts: VecDeque::new(),
            buckets: 0,
        }
    }

    /// Adds a bucket, which follows on `before`: requests, and the errors among them. `evidence` returns the bucket's evidence
    /// for an alternative, at most the given cap.
    pub(super) fn add(&mut self, before: (u64, u64), mut evidence: impl FnMut(usize, f64) -> f64) {
        if self.starts.len() == STARTS {
            self.starts.remove(1);
        }
        let needed = self.needed(self.buckets);
        self.starts.push_back(Start { needed, sums: vec![0.0; self.log_weights.len()], before });
        self.buckets += 1;
        for start in &mut self.starts {
            let cap = start.needed / self.persistence;
            for (alternative, sum) in start.sums.iter_mut().enumerate() {
                *sum += evidence(alternative, cap);
            }
        }
    }

    /// The evidence that a start at this bucket, counted from 0, needs. The shares are w and (1−w)/(n(n+1)).
    pub(super) fn needed(&self, bucket: u64) -> f64 {
        let n = float(bucket);
        let share = if bucket == 0 { self.first_share } else { (1.0 - self.first_share) / (n * (n + 1.0)) };
        -(ALPHA * share).ln()
    }

    /// The evidence of each start, and the evidence that it needs; oldest first.
    pub(super) fn starts(&self) -> impl Iterator<Item = (f64, f64)> {
        self.starts.iter().map(|start| (self.evidence(start), start.needed))
    }

    /// The evidence of the start that is nearest to a proof, minus the evidence that it needs: at least 0 is a proof. The
    /// sum of all caps may fall short of the whole by a rounding error.
    pub(super) fn excess(&self) -> f64 {
        let most =
            self.starts().map(|(evidence, needed)| evidence - needed).fold(f64::NEG_INFINITY, f64::max);
        if most > -1e-9 { most.max(0.0) } else { most }
    }

    /// The requests, and the errors among them, before the start that is nearest to a proof.
    pub(super) fn before_nearest(&self) -> (u64, u64) {
        let excess = |start: &&Start| self.evidence(start) - start.needed;
        let nearest = self.starts.iter().max_by(|one, other| excess(one).total_cmp(&excess(other)));
        nearest.map_or((0, 0), |start| start.before)
    }

    /// Whether one of the first two starts is a proof.
    pub(super) fn is_proven_from_the_beginning(&self) -> bool {
        // The second start is dropped after many buckets. Then the first one alone has to do.
        let second = (self.buckets <= STARTS as u64).then(|| self.starts.get(1)).flatten();
        let mut first = self.starts.front().into_iter().chain(second);
        first.any(|start| self.evidence(start) >= start.needed - 1e-9)
    }

    /// The number of buckets.
    pub(super) fn buckets(&self) -> u64 {
        self.buckets
    }

    /// The logarithm of the weighted mean of these ratios.
    pub(super) fn mean(&self, sums: &[f64]) -> f64 {
        let terms = self.log_weights.iter().zip(sums).map(|(weight, sum)| weight + sum);
        let most = terms.clone().fold(f64::MIN, f64::max);
        most + terms.map(|term| (term - most).exp()).sum::<f64>().ln()
    }

    fn evidence(&self, start: &Start) -> f64 {
        self.mean(&start.sums)
    }

    /// The maximum evidence that one bucket adds for the first start.
    pub(super) fn first_cap(&self) -> f64 {
        self.needed(0) / self.persistence
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_of_all_starts_add_up_to_1() {
        for share in [0.7, 0.8] {
            let mixture = Mixture::new(&[1.0], share, 5);
            let sum: f64 = (0..100_000).map(|start| (-mixture.needed(start)).exp() / ALPHA).sum();
            assert!((0.999..1.0).contains(&sum), "{sum}");
        }
    }

    #[test]
    fn a_proof_needs_the_minimum_number_of_buckets_from_any_start() {
        for before in [0, 1, 10, 80] {
            let mut mixture = Mixture::new(&[0.5, 0.5], 0.7, 5);
            (0..before).for_each(|_| mixture.add((0, 0), |_, _| -1.0));
            (0..4).for_each(|_| mixture.add((0, 0), |_, cap| cap));
            assert!(mixture.excess() < 0.0, "after {before}");
            mixture.add((0, 0), |_, cap| cap);
            assert!(mixture.excess() >= 0.0, "after {before}");
        }
    }
}
