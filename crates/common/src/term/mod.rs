//! What a terminal shows: colours, and one live status line.

pub mod status_line;
pub mod style;
