//! The sequential test in simulated traffic: few trials with fixed seeds, and wide margins.
//! `examples/decide_sim.rs` has the whole tables.

use dm_rollback::SequentialTest;

/// The number of rollbacks in 300 watches. Each watch has `buckets` buckets of 10 s with `requests` requests, each of which
/// fails with the probability `chance`.
fn rolled_back(buckets: i64, requests: u64, chance: f64) -> usize {
    let decided = |seed| {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut test = SequentialTest::new(5.0);
        (0..buckets).any(|bucket| {
            let errors = (0..requests).filter(|_| random.f64() < chance).count();
            test.add(bucket, requests, errors.try_into().unwrap_or(u64::MAX));
            test.close();
            test.is_decisive()
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
    let mut test = SequentialTest::new(5.0);
    for bucket in 0..60 {
        test.add(bucket, 100, if (20..23).contains(&bucket) { 100 } else { 1 });
        test.close();
    }
    assert!(!test.is_decisive());
}
