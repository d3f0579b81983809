//! What is said about the events of one signal after they were sent.

use otlp::{Signal, Target};

use super::metric_store::Added;

/// What happened to them.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// The remarks of the collector about what it accepted, each once.
    remarks: Vec<String>,
    /// How many events it refused, and why it refused the first.
    refused: Option<(usize, String)>,
    /// How many files could not be read as events.
    pub(super) damaged: usize,
    /// How many events were removed because too many waited.
    dropped: usize,
    /// Why something still waits.
    unsent: Option<String>,
}

impl Report {
    /// The report if nothing could be sent.
    pub(super) fn unsent(problem: String) -> Self {
        Self { unsent: Some(problem), ..Self::default() }
    }

    /// The report after the oldest events, this many, were removed.
    pub(super) fn after_dropping(dropped: usize) -> Self {
        Self { dropped, ..Self::default() }
    }

    /// Whether something still waits that could not be sent.
    pub(super) fn has_failed(&self) -> bool {
        self.unsent.is_some()
    }

    pub(super) fn fail(&mut self, problem: String) {
        self.unsent = Some(problem);
    }

    pub(super) fn refuse(&mut self, reason: String) {
        self.refused.get_or_insert((0, reason)).0 += 1;
    }

    /// What happened when events were counted.
    pub(super) fn note_added(&mut self, added: Added) {
        self.damaged += added.damaged;
        if let Some(stage) = added.uncounted {
            self.remark(format!(
                "there are metrics of as many stages as there can be, so {stage} is not counted: use a fixed set of names"
            ));
        }
    }

    pub(super) fn remark(&mut self, remark: String) {
        if !self.remarks.contains(&remark) {
            self.remarks.push(remark);
        }
    }

    /// One message for each kind of problem.
    pub(super) fn messages(&self, target: &Target) -> Vec<String> {
        let (what, url) = (target.signal.as_str(), target.display_url());
        let mut messages: Vec<String> =
            self.remarks.iter().map(|remark| format!("{url}: {remark}")).collect();
        if let Some((number, reason)) = &self.refused {
            let contents = if target.signal == Signal::Metrics { "stages" } else { "events" };
            messages
                .push(format!("{url} refuses the {what} of {number} {contents}, which are lost: {reason}"));
        }
        if self.damaged > 0 {
            messages.push(format!("the {what} of {} events are lost: their files are damaged", self.damaged));
        }
        if self.dropped > 0 {
            messages
                .push(format!("the {what} of the oldest {} events are lost: too many wait", self.dropped));
        }
        messages.extend(self.unsent.as_ref().map(|problem| not_sent(target, problem)));
        messages
    }
}

/// That something waits.
pub(super) fn not_sent(target: &Target, problem: &str) -> String {
    format!("{} not sent to {} yet: {problem}", target.signal.as_str(), target.display_url())
}
