//! The timeline of a deployment, from the journal: one line per stage, with a bar that shows when it ran.

mod chart;

pub(crate) use chart::render;
