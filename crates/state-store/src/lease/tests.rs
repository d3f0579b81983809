//! Any sequence of changes to a lease: the fencing numbers only increase, and there are never two holders.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Acquire { deployment: u8, is_rollback: bool, is_expired: bool },
    Renew { fence: u64 },
    Release { fence: u64 },
    ReleaseDeployment { deployment: u8 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3_u8, any::<bool>(), prop::bool::weighted(0.2)).prop_map(
            |(deployment, is_rollback, is_expired)| Step::Acquire { deployment, is_rollback, is_expired }
        ),
        1 => (0..12_u64).prop_map(|fence| Step::Renew { fence }),
        2 => (0..12_u64).prop_map(|fence| Step::Release { fence }),
        1 => (0..3_u8).prop_map(|deployment| Step::ReleaseDeployment { deployment }),
    ]
}

fn request(deployment: u8, is_rollback: bool, nonce: usize) -> LeaseRequest {
    let holder = Holder {
        deployment: format!("d{deployment}"),
        version: None,
        activity: if is_rollback { "rollback" } else { "deployment" }.to_owned(),
        machine: "m".to_owned(),
        process: None,
        since: DateTime::<Utc>::UNIX_EPOCH,
        run_url: None,
    };
    LeaseRequest { holder, nonce: nonce.to_string(), ttl_s: 60, is_renewed: true }
}

fn renewal(nonce: &str) -> Renewal {
    Renewal { nonce: nonce.to_owned(), at: DateTime::<Utc>::UNIX_EPOCH }
}

fn fences(slot: Option<&Lease>) -> Vec<u64> {
    let mut fences = Vec::new();
    let mut next = slot;
    while let Some(lease) = next {
        fences.push(lease.fence);
        next = lease.outer.as_deref();
    }
    fences
}

proptest! {
    #[test]
    fn fences_only_increase_and_there_is_one_holder(steps in prop::collection::vec(step(), 1..60)) {
        let mut slot = None;
        let mut last_fence = 0;
        let mut used = BTreeSet::new();
        for (nonce, step) in steps.into_iter().enumerate() {
            let before = slot.clone();
            match step {
                Step::Acquire { deployment, is_rollback, is_expired } => {
                    let request = request(deployment, is_rollback, nonce);
                    match acquire(&mut slot, &mut last_fence, &request, |_| is_expired) {
                        Ok(acquired) => {
                            prop_assert!(used.last().is_none_or(|last| *last < acquired.fence));
                            prop_assert!(used.insert(acquired.fence));
                            prop_assert_eq!(acquired.fence, last_fence);
                            // A lost response: the same request gets the same lease.
                            let again = acquire(&mut slot, &mut last_fence, &request, |_| is_expired);
                            prop_assert_eq!(again.unwrap().fence, acquired.fence);
                            prop_assert_eq!(acquired.expired.is_some(), before.is_some_and(|before| {
                                is_expired && slot.as_ref().and_then(|it| it.outer.as_deref()) != Some(&before)
                            }));
                        }
                        Err(held) => {
                            prop_assert!(!is_expired);
                            prop_assert_eq!(Some(*held), before.clone());
                            prop_assert_eq!(&slot, &before);
                        }
                    }
                }
                Step::Renew { fence } => {
                    let is_held = fences(before.as_ref()).contains(&fence);
                    prop_assert_eq!(renew(&mut slot, fence, &renewal(&nonce.to_string())), is_held);
                    prop_assert_eq!(fences(slot.as_ref()), fences(before.as_ref()));
                }
                Step::Release { fence } => {
                    release(&mut slot, fence);
                    prop_assert!(!fences(slot.as_ref()).contains(&fence));
                }
                Step::ReleaseDeployment { deployment } => {
                    release_deployment(&mut slot, &format!("d{deployment}"));
                }
            }
            let held = fences(slot.as_ref());
            // Only a rollback is inside another lease, which is that of its own deployment.
            prop_assert!(held.len() <= 2, "{:?}", slot);
            prop_assert!(held.is_sorted_by(|inner, outer| inner > outer));
            if let Some(inner) = &slot && let Some(outer) = &inner.outer {
                prop_assert_eq!(&inner.holder.activity, "rollback");
                prop_assert_eq!(&outer.holder.activity, "deployment");
                prop_assert_eq!(&outer.holder.deployment, &inner.holder.deployment);
            }
        }
    }
}

#[test]
fn the_tools_of_a_deployment_renew_what_it_holds_between_them() {
    for is_renewed in [true, false] {
        let (mut slot, mut last_fence) = (None, 0);
        let held = LeaseRequest { is_renewed, ..request(1, false, 1) };
        acquire(&mut slot, &mut last_fence, &held, |_| false).unwrap();
        for (deployment, expected) in [("d2", "1"), ("d1", if is_renewed { "1" } else { "2" })] {
            renew_between(&mut slot, deployment, &renewal("2"));
            assert_eq!(slot.as_ref().unwrap().nonce, expected, "{deployment} {is_renewed}");
        }
        acquire(&mut slot, &mut last_fence, &request(1, true, 3), |_| false).unwrap();
        renew_between(&mut slot, "d1", &renewal("4"));
        let inner = slot.as_ref().unwrap();
        assert_eq!(inner.nonce, "3");
        assert_eq!(inner.outer.as_ref().unwrap().nonce == "4", !is_renewed);
    }
}

#[test]
fn a_rollback_holds_the_lease_inside_that_of_its_deployment() {
    let (mut slot, mut last_fence) = (None, 0);
    let outer = acquire(&mut slot, &mut last_fence, &request(1, false, 1), |_| false).unwrap().fence;
    let inner = acquire(&mut slot, &mut last_fence, &request(1, true, 2), |_| false).unwrap().fence;
    assert_eq!(fences(slot.as_ref()), [inner, outer]);
    acquire(&mut slot, &mut last_fence, &request(2, true, 3), |_| false).unwrap_err();
    assert!(renew(&mut slot, outer, &renewal("4")));
    release(&mut slot, inner);
    assert_eq!(fences(slot.as_ref()), [outer]);
    release(&mut slot, outer);
    assert_eq!(slot, None);
}

#[test]
fn a_deployment_that_begins_again_between_processes_replaces_its_own_lease_only() {
    let (mut slot, mut last_fence) = (None, 0);
    let two_step =
        |deployment, nonce| LeaseRequest { is_renewed: false, ..request(deployment, false, nonce) };
    acquire(&mut slot, &mut last_fence, &two_step(1, 1), |_| false).unwrap();
    acquire(&mut slot, &mut last_fence, &two_step(2, 2), |_| false).unwrap_err();
    let again = acquire(&mut slot, &mut last_fence, &two_step(1, 3), |_| false).unwrap();
    assert_eq!((again.fence, again.expired), (2, None));
    // A process that holds the lease all the time may still run.
    let (mut slot, mut last_fence) = (None, 0);
    acquire(&mut slot, &mut last_fence, &request(1, false, 1), |_| false).unwrap();
    acquire(&mut slot, &mut last_fence, &request(1, false, 2), |_| false).unwrap_err();
}

#[test]
fn the_text_of_a_holder_stays_in_its_line() {
    let (mut slot, mut last_fence) = (None, 0);
    let mut hostile = request(1, true, 1);
    hostile.holder.machine = format!("m\n::error::x\x1b[31m{}", "y".repeat(5000));
    acquire(&mut slot, &mut last_fence, &hostile, |_| false).unwrap();
    let text = slot.unwrap().describe("api", "production");
    assert!(
        text.starts_with("the rollback of deployment d1 has held the lease of api in production since 1970")
    );
    assert!(text.len() < 500 && !text.contains(char::is_control), "{text}");
}
