//! Sends notifications from a thread, while the work runs and while its end is recorded. Nothing waits for a service longer
//! than for exporting.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use common::duration::format_duration;
use common::env;
use common::identity::Identity;
use common::runtime;
use futures_util::future::join_all;
use state_store::StoreUrl;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use crate::args::NotifyArgs;
use crate::client::deliver;
use crate::memory::Place;
use crate::notification::{Event, Notification};
use crate::service::{Service, configured};

/// Set for the command of a tool that reports the end of its deployment, so that no tool within it reports the same.
pub const NOTIFIED_BY: &str = "DM_NOTIFIED_BY";

/// Where the work is recorded, and how long exporting may take.
#[derive(Debug)]
pub struct Surroundings<'a> {
    /// The deployment.
    pub identity: &'a Identity,
    /// The state directory.
    pub state_dir: Option<PathBuf>,
    /// The state that all machines share.
    pub state_url: Option<StoreUrl>,
    /// How long exporting may take after the work.
    pub budget: Duration,
    /// Whether an Alertmanager is configured by a flag, and opens the incidents.
    pub has_alertmanager: bool,
}

/// Everybody who is notified.
#[derive(Debug, Clone, Default)]
pub struct Notifiers(Option<Configured>);

#[derive(Debug, Clone)]
struct Configured {
    services: Vec<Service>,
    /// What people want to be notified of.
    events: Vec<Event>,
    place: Place,
    budget: Duration,
}

/// Makes the notification of the end. It may read the journal, so it is called on the thread of the notifiers.
type Make = Box<dyn FnOnce() -> Notification + Send>;

/// The warnings about the services that could not be notified, by the service's key: one for each.
type Warnings = BTreeMap<String, String>;

impl Notifiers {
    /// Those who are configured by these flags and by the environment; nobody within a command whose tool reports its end.
    /// The second value says what is wrong with the settings.
    pub fn resolve(args: &NotifyArgs, surroundings: Surroundings<'_>) -> (Self, Vec<String>) {
        if env::system(NOTIFIED_BY).is_some() {
            return (Self::default(), Vec::new());
        }
        let (settings, mut problems) = args.settings(surroundings.has_alertmanager, &env::system);
        let (services, wrong) = configured(&settings, &env::system);
        problems.extend(wrong);
        let (events, unknown) = args.events();
        problems.extend(unknown);
        let problems =
            problems.into_iter().map(|problem| format!("nobody is notified by it: {problem}")).collect();
        if services.is_empty() {
            return (Self::default(), problems);
        }
        let Surroundings { identity, state_dir, state_url, budget, .. } = surroundings;
        let (environment, service) = (identity.environment.clone(), identity.service.clone());
        let place = Place { environment, service, state_dir, state_url };
        (Self(Some(Configured { services, events, place, budget })), problems)
    }

    /// Whether nobody is notified.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Notifies of the start, in the background. The result notifies of the end.
    pub fn begin(&self, started: impl FnOnce() -> Notification) -> Announcement {
        let Some(configured) = &self.0 else { return Announcement(None) };
        Announcement(configured.spawn(Some(started())))
    }

    /// Notifies of something that has no end, such as a rollback.
    pub fn announce(&self, make: impl FnOnce() -> Notification + Send + 'static) -> Pending {
        let Some(configured) = &self.0 else { return Pending(None) };
        Announcement(configured.spawn(None)).end(make)
    }
}

/// A deployment of which the start was announced.
#[derive(Debug)]
#[must_use = "its end is to be announced"]
pub struct Announcement(Option<Conversation>);

/// Notifications on their way.
#[derive(Debug)]
#[must_use = "the tool would end before they are sent"]
pub struct Pending(Option<(Conversation, Instant)>);

#[derive(Debug)]
struct Conversation {
    end: Option<oneshot::Sender<End>>,
    reports: Receiver<Vec<String>>,
    budget: Duration,
}

/// The end of the work, and until when it can be reported.
struct End {
    make: Make,
    deadline: Instant,
}

impl fmt::Debug for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("End").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

impl Announcement {
    /// Begins to notify of the end. From now on the time for exporting runs.
    pub fn end(self, make: impl FnOnce() -> Notification + Send + 'static) -> Pending {
        Pending(self.0.map(|mut conversation| {
            let deadline = Instant::now() + conversation.budget;
            if let Some(end) = conversation.end.take() {
                // A little earlier, so that the reason why it failed can still be reported.
                let end_of_work = End { make: Box::new(make), deadline: deadline - conversation.budget / 10 };
                // If the thread has died, waiting for its report ends at once.
                let _ = end.send(end_of_work);
            }
            (conversation, deadline)
        }))
    }
}

impl Pending {
    /// Nothing to wait for.
    pub fn none() -> Self {
        Self(None)
    }

    /// Waits until everybody is notified, but not longer than for exporting. Returns the warnings.
    pub fn wait(self) -> Vec<String> {
        let Some((conversation, deadline)) = self.0 else { return Vec::new() };
        match conversation.reports.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(warnings) => warnings,
            Err(RecvTimeoutError::Timeout) => {
                let limit = format_duration(conversation.budget);
                vec![format!("not everybody was notified within {limit} (DM_EXPORT_BUDGET)")]
            }
            Err(RecvTimeoutError::Disconnected) => {
                vec!["nobody was notified: the thread for it ended".to_owned()]
            }
        }
    }
}

impl Configured {
    /// Starts the thread; `None` if the system has none left.
    fn spawn(&self, started: Option<Notification>) -> Option<Conversation> {
        let (end, ended) = oneshot::channel();
        let (reporter, reports) = mpsc::channel();
        let configured = self.clone();
        let work = move || {
            if let Some(warnings) = configured.converse(started, ended) {
                // After the time for exporting, the receiver is gone.
                let _ = reporter.send(warnings.into_values().collect());
            }
        };
        thread::Builder::new().name("notify".to_owned()).spawn(work).ok()?;
        Some(Conversation { end: Some(end), reports, budget: self.budget })
    }

    /// Notifies of the start and of the end. `None` without an event loop, or if the end is never reported.
    fn converse(&self, started: Option<Notification>, ended: oneshot::Receiver<End>) -> Option<Warnings> {
        let (end, mut warnings) = runtime::block_on(self.start(started, ended)).ok()?;
        let End { make, deadline } = end?;
        // Outside the event loop: it may read the shared journal, with an event loop of its own.
        let notification = make();
        warnings.extend(runtime::block_on(self.notify(notification, deadline)).ok()?);
        Some(warnings)
    }

    /// Notifies of the start until the work ends, and then for half of the time for exporting.
    async fn start(
        &self,
        started: Option<Notification>,
        mut ended: oneshot::Receiver<End>,
    ) -> (Option<End>, Warnings) {
        let Some(started) = started else { return (ended.await.ok(), Warnings::new()) };
        let mut work = Box::pin(self.notify(started, Instant::now() + self.budget));
        tokio::select! {
            warnings = &mut work => (ended.await.ok(), warnings),
            end = &mut ended => (end.ok(), timeout(self.budget / 2, work).await.unwrap_or_default()),
        }
    }

    /// Notifies all services at the same time, and remembers what they got.
    async fn notify(&self, notification: Notification, deadline: Instant) -> Warnings {
        let now = Instant::now();
        let half = now + deadline.saturating_duration_since(now) / 2;
        let memory = self.place.load(&notification.deployment, half).await;
        let notification = memory.put_in_context(notification);
        let is_wanted = self.is_wanted(notification.event);
        let deliveries = self.services.iter().map(async |service| {
            let key = service.key();
            let record = memory.record(&key);
            let (record, result) = deliver(service, &notification, (&record, is_wanted), deadline).await;
            (key, record, result)
        });
        let mut warnings = Warnings::new();
        let mut records = Vec::new();
        for (key, record, result) in join_all(deliveries).await {
            if let Err(error) = result {
                warnings.insert(key.clone(), format!("not notified: {error:#}"));
            }
            records.push((key, record));
        }
        let after = memory.after(&notification, records);
        if after != memory {
            self.place.save(&after, notification.event, deadline).await;
        }
        warnings
    }

    fn is_wanted(&self, event: Event) -> bool {
        // What restores a service is also a success.
        self.events.contains(&event) || event == Event::Restored && self.events.contains(&Event::Succeeded)
    }
}
