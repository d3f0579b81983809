//! File names made of text that may be long, such as two labels.

use crate::digest::hex_digest;

/// The longest name that stays as it is. A file system allows 255 bytes, and callers add endings.
const MAX_BYTES: usize = 200;

/// How much of a longer name remains, for whoever looks at the folder.
const BEGINNING: usize = 100;

/// What follows it. No name that is percent-encoded or in base64 contains this.
const MARK: &str = "%%";

/// The same name; if it is too long for a file, its beginning and a digest that no other name has.
pub fn shortened(name: String) -> String {
    if name.len() <= MAX_BYTES {
        return name;
    }
    name[..name.floor_char_boundary(BEGINNING)].to_owned() + MARK + &hex_digest(&name)
}

/// Whether [`shortened`] has made this name of another one.
pub fn is_shortened(name: &str) -> bool {
    name.contains(MARK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_are_too_long_change_and_stay_apart() {
        let longest = "a".repeat(MAX_BYTES);
        assert_eq!(shortened(longest.clone()), longest);
        let (one, other) = (shortened(longest.clone() + "x"), shortened(longest + "y"));
        assert_ne!(one, other);
        assert!(one.len() <= MAX_BYTES && is_shortened(&one) && !is_shortened("a%C3b"));
        assert_eq!(shortened(one.clone()), one);
        assert!(shortened("é".repeat(300)).starts_with('é'));
    }
}
