//! The tool.

use common::cli::Tool;

/// The name and the kind of this tool.
pub const TOOL: Tool = Tool { name: "dm-stage", wrapper: true };
