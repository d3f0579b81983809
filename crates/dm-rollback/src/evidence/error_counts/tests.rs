//! Tests of the counts of errors.

use proptest::prelude::*;

use super::*;

fn group(total: u64, errors: u64) -> Group {
    Group { total, errors }
}

/// The counts after buckets of (good, bad) requests.
fn after(buckets: &[(u64, u64)]) -> ErrorCounts {
    let mut counts = ErrorCounts::default();
    for (bucket, (good, bad)) in (0..).zip(buckets) {
        counts.add(Some(bucket), group(good + bad, *bad), Limit::Judge(5.0));
    }
    counts.close();
    counts
}

#[test]
fn an_end_that_fails_is_never_good() {
    let mut buckets = vec![(100, 0); 50];
    assert!(after(&buckets).is_good() && after(&buckets).is_known_good());
    buckets.push((0, 1));
    assert!(!after(&buckets).is_good());
    buckets.push((100, 0));
    assert!(after(&buckets).is_good() && after(&buckets).is_known_good(), "a blip");
}

#[test]
fn a_proof_never_has_less_evidence_than_it_needs() {
    let mut buckets = vec![(7, 3); 10];
    buckets.extend([(50, 0); 3]);
    let counts = after(&buckets);
    assert!(counts.is_bad() && counts.evidence() >= Some(RateTest::needed()));
}

#[test]
fn a_version_is_known_good_only_within_the_requested_limit() {
    let mut counts = ErrorCounts::default();
    counts.add(None, group(10_000, 800), Limit::Judge(5.0));
    for bucket in 0..60 {
        counts.add(Some(bucket), group(1000, 60), Limit::Judge(5.0));
    }
    counts.close();
    assert!(counts.is_good() && !counts.is_known_good());
    let mut buckets = vec![(0, 1000)];
    buckets.extend(vec![(1000, 0); 15]);
    assert!(!after(&buckets).is_good(), "the whole watch");
    buckets.extend(vec![(1000, 0); 15]);
    assert!(after(&buckets).is_good() && after(&buckets).is_known_good());
}

#[test]
fn a_control_group_that_is_lost_decides_nothing() {
    let mut counts = ErrorCounts::default();
    for bucket in 0..100 {
        counts.add(Some(bucket), group(10, 5), Limit::Judge(5.0));
        if bucket < 2 {
            counts.add_control(bucket, group(10, 0), 1.0);
        }
    }
    counts.close();
    assert!(!counts.is_bad() && !counts.is_good());
}

#[test]
fn a_control_group_that_never_comes_decides_nothing_and_is_named() {
    let watched = |errors: u64, control: &[Group]| {
        let mut counts = ErrorCounts::default();
        counts.expect_control(1.0);
        for bucket in 0..100 {
            counts.add(Some(bucket), group(10, errors), Limit::Judge(5.0));
            if let Some(control) = control.get(usize::try_from(bucket).unwrap()) {
                counts.add_control(bucket, *control, 1.0);
            }
        }
        counts.close();
        assert!(!counts.is_bad() && !counts.is_good());
        counts.control_problem().unwrap()
    };
    for errors in [0, 5] {
        assert!(watched(errors, &[]).contains("has no requests, so there is nothing"));
        assert!(watched(errors, &[group(10, 9); 100]).contains("fails itself (900 of 1000)"));
    }
    assert!(watched(5, &[group(10, 0); 2]).contains("no requests in 98 of 100 buckets"));
}

#[test]
fn an_outage_of_both_groups_neither_rolls_back_nor_prevents_a_keep() {
    let mut counts = ErrorCounts::default();
    for bucket in 0..40 {
        let errors = if (5..11).contains(&bucket) { 4 } else { 0 };
        counts.add(Some(bucket), group(10, errors), Limit::Judge(5.0));
        counts.add_control(bucket, group(10, errors), 1.0);
        assert!(!counts.is_bad());
    }
    assert!(counts.is_good());
}

proptest! {
    #[test]
    fn split_and_order_within_a_bucket_never_matter(
        parts in proptest::collection::vec((0..5_i64, 0..20_u64, 0..20_u64), 1..40), turn in 0..40_usize,
    ) {
        let mut sorted = parts;
        sorted.sort_by_key(|part| part.0);
        let counted = |parts: &[(i64, u64, u64)]| {
            let mut counts = ErrorCounts::default();
            for (bucket, good, bad) in parts {
                counts.add(Some(*bucket), group(*good, 0), Limit::Judge(5.0));
                counts.add(Some(*bucket), group(*bad, *bad), Limit::Judge(5.0));
            }
            counts.close();
            counts
        };
        let whole = counted(&sorted);
        let turn = turn % sorted.len();
        sorted.rotate_left(turn);
        sorted.sort_by_key(|part| part.0);
        prop_assert_eq!(counted(&sorted), whole);
    }
}
