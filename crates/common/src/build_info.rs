//! What this program was built from.

/// The version, the commit if the build knows it, and the target, such as `0.2.0 (1a2b3c4d5e6f, x86_64-unknown-linux-gnu)`.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("DM_BUILD"), ")");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_names_the_target() {
        let build = VERSION.split_once(" (").unwrap().1;
        assert!(build.contains(std::env::consts::ARCH) && build.ends_with(')'), "{VERSION}");
    }
}
