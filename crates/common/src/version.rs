//! The names of versions: whether two of them are of one version, and how they are typed.

use crate::label::Label;

/// The shortest abbreviation of a commit hash.
const SHORT_HASH: usize = 7;

/// The lengths of whole commit hashes, in hexadecimal digits.
const WHOLE_HASHES: [usize; 2] = [40, 64];

/// Whether two names are of one version: `v2.0` is `2.0`, case does not matter, and a commit hash may be abbreviated.
pub fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (bare(one), bare(other));
    one.eq_ignore_ascii_case(other) || is_abbreviation(one, other) || is_abbreviation(other, one)
}

/// A version without what does not tell it from others: spaces around it, and the leading `v` that some tags have.
pub fn bare(version: &str) -> &str {
    let version = version.trim();
    let number = version.strip_prefix(['v', 'V']);
    number.filter(|number| number.starts_with(|first: char| first.is_ascii_digit())).unwrap_or(version)
}

/// Whether `short` is the beginning of the commit hash `long`. Two dates or build numbers are no hashes: digits alone
/// abbreviate only a whole one.
fn is_abbreviation(short: &str, long: &str) -> bool {
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    (SHORT_HASH..long.len()).contains(&short.len())
        && long.len() <= WHOLE_HASHES[1]
        && is_hex(short)
        && is_hex(long)
        && long.as_bytes()[..short.len()].eq_ignore_ascii_case(short.as_bytes())
        && (WHOLE_HASHES.contains(&long.len()) || !is_number(short))
}

/// Parses a version. For use as a clap value parser.
///
/// # Errors
/// The text is no [`Label`].
pub fn parse(text: &str) -> Result<Label, String> {
    text.trim().parse()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HASH: &str = "abcdef0123456789abcdef0123456789abcdef01";
    const NUMBER: &str = "1234567890123456789012345678901234567890";

    #[test]
    fn one_version_has_several_names() {
        for (one, other) in [
            ("v2.0", "2.0"),
            ("V2.0", "v2.0"),
            ("2.0-RC1", "2.0-rc1"),
            (" 2.0\n", "2.0"),
            ("vega", "Vega"),
            ("abcdef0", HASH),
            ("ABCDEF0", "abcdef0123"),
            ("1234567", NUMBER),
        ] {
            assert!(is_same(one, other) && is_same(other, one), "{one} and {other}");
        }
    }

    #[test]
    fn two_versions_have_different_names() {
        for (one, other) in [
            ("2.0", "2.0.0"),
            ("1.2", "1.20"),
            ("vv2.0", "2.0"),
            ("vega", "ega"),
            ("20261126", "202611262"),
            ("1234567", "1234567a"),
            ("abcdef", "abcdef0"),
            ("abcdef0", "abcdef1"),
            ("abcdef0", &format!("{HASH}{NUMBER}")),
        ] {
            assert!(!is_same(one, other) && !is_same(other, one), "{one} and {other}");
        }
    }

    #[test]
    fn spaces_around_a_version_are_a_mistake() {
        assert_eq!(parse(" 2.0\n").unwrap().as_str(), "2.0");
        assert!(parse(" ").is_err() && parse("2\n0").is_err());
    }

    proptest! {
        #[test]
        fn the_order_does_not_matter(one in "[vV]?[0-9a-fA-F. ]{0,50}", other in "[vV]?[0-9a-fA-F. ]{0,50}") {
            prop_assert_eq!(is_same(&one, &other), is_same(&other, &one));
            prop_assert!(is_same(&one, &one));
        }
    }
}
