//! What a terminal shows: colours, text from outside, and one live status line.

pub mod status_line;
pub mod style;
pub mod text;
