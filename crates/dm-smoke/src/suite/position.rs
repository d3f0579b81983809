//! Positions in a text.

/// Converts byte offsets that only increase into line numbers. It scans the text once, however many tests a suite has.
pub struct LineCounter<'a> {
    text: &'a str,
    offset: usize,
    line: usize,
}

impl<'a> LineCounter<'a> {
    /// Starts at the first line.
    pub fn new(text: &'a str) -> Self {
        Self { text, offset: 0, line: 1 }
    }

    /// The line of an offset, from 1.
    pub fn line_at(&mut self, offset: usize) -> usize {
        match self.text.get(self.offset..offset) {
            Some(between) => self.line += between.matches('\n').count(),
            None => self.line = line_and_column(self.text, offset).0,
        }
        self.offset = offset;
        self.line
    }
}

/// The line and the column of an offset in bytes. Both count from 1, the column in characters.
pub fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}
