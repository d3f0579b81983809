//! The rule in simulated traffic: few trials with fixed seeds, and margins that chance does not cross.
//! `examples/decide_sim.rs` has the whole tables.

use dm_rollback::decision::sequential_test::SequentialTest;

/// In how many of 300 watches the rule rolls back, each of so many buckets of 10 s with so many requests, of which
/// each fails with this chance.
fn rolled_back(buckets: i64, requests: u64, chance: f64) -> usize {
    let decided = |seed| {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut rule = SequentialTest::new(5.0);
        (0..buckets).any(|bucket| {
            let errors = (0..requests).filter(|_| random.f64() < chance).count();
            rule.add(bucket, requests, errors.try_into().unwrap_or(u64::MAX));
            rule.close();
            rule.is_decisive()
        })
    };
    (0..300).filter(|seed| decided(*seed)).count()
}

#[test]
fn a_good_version_is_kept_in_ten_minutes_of_any_traffic() {
    for requests in [2, 10, 100] {
        for chance in [0.005, 0.02, 0.045] {
            // At most 1 % of them: with a true rate of 0.1 % four of 300 have a chance below one in three thousand.
            let wrong = rolled_back(60, requests, chance);
            assert!(wrong <= 3, "{wrong} of 300 at {chance} with {requests} requests in 10 s");
        }
    }
}

#[test]
fn a_bad_version_is_found_in_time() {
    for requests in [10, 100] {
        assert_eq!(rolled_back(4, requests, 1.0), 300, "all fail: 40 s");
        assert!(rolled_back(12, requests, 0.5) >= 297, "half of them fail: two minutes");
    }
    assert!(rolled_back(12, 100, 0.1) >= 285, "10 % of 10 a second: two minutes");
    assert!(rolled_back(12, 10, 0.2) >= 225, "20 % of one a second: two minutes");
}

#[test]
fn a_blip_is_none() {
    // 30 s in which everything fails, in a version that is good before and after.
    let mut rule = SequentialTest::new(5.0);
    for bucket in 0..60 {
        rule.add(bucket, 100, if (20..23).contains(&bucket) { 100 } else { 1 });
        rule.close();
    }
    assert!(!rule.is_decisive());
}
