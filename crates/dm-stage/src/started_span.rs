//! The span of a stage that begins in one process and ends in another: what ran in between names it as its parent.

use common::env::Env;
use common::event::EventId;
use common::identity::Trace;
use common::label::Stage;

/// Carries the span from `--start` to `--finish`: its id, that of its parent or `-`, and the stage, separated by colons.
pub(crate) const VARIABLE: &str = "DM_STARTED_SPAN";

/// The span of a stage that has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StartedSpan {
    /// Its id, and that of the event at its end.
    pub(crate) id: EventId,
    /// The span that it is part of.
    pub(crate) parent: Option<String>,
}

impl StartedSpan {
    /// A new span at this position.
    pub(crate) fn new(position: &Trace) -> Self {
        Self { id: EventId::random(), parent: position.parent_span_id.clone() }
    }

    /// The value of [`VARIABLE`].
    pub(crate) fn to_variable(&self, stage: &Stage) -> String {
        format!("{}:{}:{stage}", self.id.as_str(), self.parent.as_deref().unwrap_or("-"))
    }

    /// The span that [`VARIABLE`] carries for this stage, if this process is at a position within it. Another stage that has
    /// begun since then has replaced it.
    pub(crate) fn from_env(env: &Env<'_>, stage: &Stage, position: &Trace) -> Option<Self> {
        let text = env(VARIABLE)?;
        let (id, rest) = text.split_once(':')?;
        let (parent, name) = rest.split_once(':')?;
        let id = EventId::parse(id)?;
        let parent = EventId::parse(parent).map(|parent| parent.as_str().to_owned());
        let is_its = name == stage.as_str() && position.parent_span_id.as_deref() == Some(id.as_str());
        is_its.then_some(Self { id, parent })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_span_is_carried_to_the_end_of_its_own_stage_only() {
        let position = |parent: Option<&str>| Trace {
            trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".to_owned(),
            parent_span_id: parent.map(str::to_owned),
        };
        let stage = |name: &str| name.parse::<Stage>().unwrap();
        for parent in [None, Some("00f067aa0ba902b7")] {
            let span = StartedSpan::new(&position(parent));
            let text = span.to_variable(&stage("deployment"));
            let read = |text: &str, name: &str, at: &str| {
                let env = |variable: &str| (variable == VARIABLE).then(|| text.to_owned());
                StartedSpan::from_env(&env, &stage(name), &position(Some(at)))
            };
            assert_eq!(read(&text, "deployment", span.id.as_str()), Some(span.clone()));
            assert_eq!(read(&text, "build", span.id.as_str()), None);
            assert_eq!(read(&text, "deployment", "00f067aa0ba902b7"), None, "within another span");
            for bad in ["", ":", "x:-:deployment", "../../etc/passwd:-:deployment"] {
                assert_eq!(read(bad, "deployment", span.id.as_str()), None);
            }
        }
    }
}
