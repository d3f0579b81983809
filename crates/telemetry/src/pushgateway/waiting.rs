//! How much waits in a state directory.

use std::collections::BTreeMap;

use super::outbox::{GroupOutbox, Outbox};

/// How many events were not pushed, or not shared, by environment and service. Nothing waits in a folder that cannot be read.
pub fn waiting(outbox: &Outbox) -> BTreeMap<(String, String), usize> {
    let pushed = outbox.groups().unwrap_or_default().into_iter().filter_map(|group| {
        let key = group.key()?;
        let label = |name: &str| Some(key.labels().find(|(label, _)| *label == name)?.1.to_owned());
        Some(((label("environment")?, label("service")?), group))
    });
    let shared =
        outbox.services_with_unshared().unwrap_or_default().into_iter().map(|(environment, service)| {
            let group = outbox.unshared(&environment, &service);
            ((environment.to_string(), service.to_string()), group)
        });
    let mut waiting = BTreeMap::new();
    for (service, group) in pushed.chain(shared) {
        *waiting.entry(service).or_default() += unsent(&group);
    }
    waiting
}

/// How many events of a group are not known to have arrived.
fn unsent(group: &GroupOutbox) -> usize {
    let names = group.names().unwrap_or_default();
    names.iter().filter(|name| !name.contains(".sent-")).count()
}
