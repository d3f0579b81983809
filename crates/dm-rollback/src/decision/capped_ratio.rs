//! What one bucket of requests says about a rate: a likelihood ratio with a cap, and with a refund for what the cap
//! discards. Pure. `docs/observability/rollback-decision.md` has the proof.

/// The possible outcomes of a bucket for one alternative, in the order of their ratio.
#[derive(Debug)]
pub(super) struct Outcomes {
    /// The logarithm of the likelihood ratio of each outcome, ascending.
    ratios: Vec<f64>,
    /// For each outcome, the logarithm of the probability of all outcomes before it under the alternative.
    before_alternative: Vec<f64>,
    /// For each outcome, the logarithm of the probability of it and all outcomes after it under the null hypothesis.
    from_null: Vec<f64>,
}

impl Outcomes {
    /// The outcomes with these logarithms of their probability under the null hypothesis, and of their likelihood ratio,
    /// in ascending order of the ratio.
    pub(super) fn new(log_null: &[f64], ratios: Vec<f64>) -> Self {
        let mut before_alternative = Vec::with_capacity(ratios.len() + 1);
        let mut sum = f64::NEG_INFINITY;
        for (null, ratio) in log_null.iter().zip(&ratios) {
            before_alternative.push(sum);
            sum = log_add(sum, null + ratio);
        }
        before_alternative.push(0.0);
        let mut from_null = vec![f64::NEG_INFINITY; ratios.len() + 1];
        for (at, null) in log_null.iter().enumerate().rev() {
            from_null[at] = log_add(from_null[at + 1], *null);
        }
        Self { ratios, before_alternative, from_null }
    }

    /// The evidence of the outcome at this index: its ratio plus the refund, at most `cap`. The refund is the largest with
    /// which the mean of exp(evidence) under the null hypothesis is at most 1.
    pub(super) fn evidence(&self, index: usize, cap: f64) -> f64 {
        (self.ratios[index] + self.refund(cap)).min(cap)
    }

    /// The logarithm of the probability of an outcome under the null hypothesis.
    #[cfg(test)]
    pub(super) fn log_null(&self, index: usize) -> f64 {
        (self.from_null[index].exp() - self.from_null[index + 1].exp()).ln()
    }

    /// With the refund c, outcomes whose ratio is at least `cap` − c are capped. The mean of exp(evidence) is
    /// exp(c) · P(not capped | alternative) + exp(cap) · P(capped | null), which grows with c.
    fn refund(&self, cap: f64) -> f64 {
        let capped_at = |index: usize| cap - self.ratios[index];
        let is_too_much = |index: usize| {
            let refund = capped_at(index);
            let mean = (refund + self.before_alternative[index]).exp() + (cap + self.from_null[index]).exp();
            refund > 0.0 && mean > 1.0
        };
        // The first outcome that may be capped.
        let (mut low, mut high) = (0, self.ratios.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            if is_too_much(middle) { low = middle + 1 } else { high = middle }
        }
        if low == self.ratios.len() {
            return 0.0;
        }
        let rest = -(cap + self.from_null[low]).exp();
        let exact = rest.ln_1p() - self.before_alternative[low];
        let most = if low == 0 { f64::MAX } else { capped_at(low - 1) };
        let least = capped_at(low).max(0.0);
        // Rounding must not take the mean above 1.
        let refund = if exact.is_nan() { least } else { exact.min(most) };
        (refund - 1e-12).max(least)
    }
}

/// ln(exp(a) + exp(b)).
pub(super) fn log_add(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The binomial distribution of the errors among `n` requests.
    fn binomial(n: u32, rate: f64) -> Vec<f64> {
        let mut all = vec![f64::from(n) * (1.0 - rate).ln()];
        for x in 0..n {
            let odds = f64::from(n - x) / f64::from(x + 1) * rate / (1.0 - rate);
            all.push(all[x as usize] + odds.ln());
        }
        all
    }

    #[test]
    fn the_mean_is_at_most_1_and_close_to_it_for_any_bucket_and_cap() {
        for n in (1..=200).chain([999, 2000]) {
            for (null, alternative) in
                [(0.05, 0.09), (0.05, 0.15), (0.05, 0.6), (0.05, 0.025), (0.05, 0.001), (0.5, 0.97)]
            {
                let mut log_null = binomial(n, null);
                let mut ratios: Vec<f64> = (0..=n)
                    .map(|x| {
                        let (x, n) = (f64::from(x), f64::from(n));
                        x * f64::ln(alternative / null)
                            + (n - x) * f64::ln((1.0 - alternative) / (1.0 - null))
                    })
                    .collect();
                if alternative < null {
                    log_null.reverse();
                    ratios.reverse();
                }
                let outcomes = Outcomes::new(&log_null, ratios.clone());
                for cap in [0.3, 1.0, 2.5, 9.0] {
                    let evidence = |index: usize| outcomes.evidence(index, cap);
                    let mean: f64 =
                        log_null.iter().enumerate().map(|(at, null)| (null + evidence(at)).exp()).sum();
                    assert!(mean <= 1.0 + 1e-9, "{mean} for {n} {null} {alternative} {cap}");
                    assert!(
                        mean > 0.999 || ratios.iter().all(|ratio| *ratio < cap),
                        "{mean} for {n} {null} {alternative} {cap}"
                    );
                    assert!(evidence(0) >= ratios[0].min(cap), "a refund is never negative");
                }
            }
        }
    }
}
