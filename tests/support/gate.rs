//! A gate: servers that hold their answers back until a test lets them go.

use std::sync::{Arc, Condvar, Mutex};

/// A gate, closed at first. Clones are the same gate.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<(Mutex<State>, Condvar)>);

#[derive(Debug, Default)]
struct State {
    is_open: bool,
    arrived: usize,
}

impl Gate {
    /// Waits until the gate is open.
    pub fn pass(&self) {
        let (state, opened) = &*self.0;
        let mut state = state.lock().unwrap();
        state.arrived += 1;
        drop(opened.wait_while(state, |state| !state.is_open).unwrap());
    }

    /// How many have come to the gate, whether or not it let them pass.
    pub fn arrived(&self) -> usize {
        self.0.0.lock().unwrap().arrived
    }

    /// Opens the gate for all.
    pub fn open(&self) {
        self.0.0.lock().unwrap().is_open = true;
        self.0.1.notify_all();
    }
}
