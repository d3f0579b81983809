//! The backends of a store. Each offers the same five functions.

pub(crate) mod folder;

pub(crate) mod git;
