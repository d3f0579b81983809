//! Measures the phases of a probe.

use std::time::Duration;

use common::clock::{Clock, Stopwatch};
use common::records::Phases;

/// The phases of a request, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Resolving the name.
    Resolve,
    /// The TCP handshake.
    Connect,
    /// The TLS handshake.
    Tls,
    /// From sending the request to the head of the response.
    Wait,
    /// Reading the body.
    Transfer,
}

/// Measures one probe. It stays readable if the probe is cut off.
pub(super) struct PhaseTimer<'a> {
    clock: &'a dyn Clock,
    started: Stopwatch,
    phase: Phase,
    phase_began: Duration,
    phases: Phases,
}

impl<'a> PhaseTimer<'a> {
    /// Starts with [`Phase::Resolve`].
    pub(super) fn start(clock: &'a dyn Clock) -> Self {
        let started = Stopwatch::start(clock);
        Self { clock, started, phase: Phase::Resolve, phase_began: Duration::ZERO, phases: Phases::default() }
    }

    /// The current phase.
    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    /// Ends the current phase and begins another.
    pub(super) fn enter(&mut self, phase: Phase) {
        let now = self.close();
        (self.phase, self.phase_began) = (phase, now);
    }

    /// Begins another phase without recording the current one.
    pub(super) fn skip_to(&mut self, phase: Phase) {
        (self.phase, self.phase_began) = (phase, self.started.elapsed(self.clock));
    }

    /// The phases and the total time. If the probe was cut off, its last phase has the time until then.
    pub(super) fn finish(mut self) -> (Phases, Duration) {
        let total = self.close();
        (self.phases, total)
    }

    fn close(&mut self) -> Duration {
        let now = self.started.elapsed(self.clock);
        let slot = match self.phase {
            Phase::Resolve => &mut self.phases.resolve,
            Phase::Connect => &mut self.phases.connect,
            Phase::Tls => &mut self.phases.tls,
            Phase::Wait => &mut self.phases.wait,
            Phase::Transfer => &mut self.phases.transfer,
        };
        *slot = Some(milliseconds(now.saturating_sub(self.phase_began)));
        now
    }
}

/// Converts to milliseconds, rounded to microseconds.
pub(crate) fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
