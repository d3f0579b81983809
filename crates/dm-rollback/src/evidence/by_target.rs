//! What is kept for each target of a stream, for a bounded number of targets.

use std::collections::BTreeMap;

use super::criteria::MAX_NAMES;

/// The entry of this target. A stream with too many targets makes up names: all further ones share one entry.
pub(super) fn entry<'a, T: Default>(targets: &'a mut BTreeMap<String, T>, target: &str) -> &'a mut T {
    let name = if targets.contains_key(target) || targets.len() < MAX_NAMES { target } else { "" };
    // Not `entry`, which would copy the name for each probe.
    if !targets.contains_key(name) {
        targets.insert(name.to_owned(), T::default());
    }
    targets.get_mut(name).expect("inserted")
}
