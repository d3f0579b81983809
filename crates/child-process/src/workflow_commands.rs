//! The workflow commands of GitHub Actions in output that is not shown: the runner has to see a mask and an annotation.

/// The commands that are passed on. The others set outputs by files, or fold what is not shown.
const COMMANDS: [&[u8]; 4] = [b"::add-mask::", b"::error", b"::warning", b"::notice"];

/// The longest command, in bytes. A mask that is cut off would mask only a part.
const MAX_BYTES: usize = 64 * 1024;

/// Finds the commands in a stream.
#[derive(Debug, Default)]
pub(super) struct WorkflowCommands {
    /// The line that has not ended yet.
    line: Vec<u8>,
}

impl WorkflowCommands {
    /// The commands that end in this chunk, as complete lines.
    pub(super) fn of(&mut self, chunk: &[u8]) -> Vec<u8> {
        let mut found = Vec::new();
        for part in chunk.split_inclusive(|byte| *byte == b'\n') {
            let room = (MAX_BYTES + 1).saturating_sub(self.line.len()).min(part.len());
            self.line.extend_from_slice(&part[..room]);
            if part.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                // The runner looks for a command after white space too.
                let command = line.trim_ascii_start();
                if COMMANDS.iter().any(|start| command.starts_with(start)) && line.ends_with(b"\n") {
                    found.extend_from_slice(command);
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_and_annotations_are_found_wherever_the_chunks_end() {
        let text = "a\n::add-mask::s3cret\n::group::x\n  ::error title=a::b\r\nnot ::error::c\n::warning::unfinished";
        for size in [1, 5, 1000] {
            let mut commands = WorkflowCommands::default();
            let found: Vec<u8> = text.as_bytes().chunks(size).flat_map(|chunk| commands.of(chunk)).collect();
            assert_eq!(found, b"::add-mask::s3cret\n::error title=a::b\r\n");
        }
    }

    #[test]
    fn a_line_without_end_needs_bounded_memory() {
        let mut commands = WorkflowCommands::default();
        for _ in 0..100 {
            assert!(commands.of(&[b':'; 10_000]).is_empty());
        }
        assert!(commands.line.len() <= MAX_BYTES + 1);
    }
}
