//! Values that a text inserts: Hurl and Postman write `{{name}}`, as a suite does.

/// The text with each `{{name}}` replaced. Two braces that are not closed stay two braces.
///
/// # Errors
/// The first error of `replace`.
pub(super) fn replace(
    text: &str,
    mut replacement: impl FnMut(&str) -> Result<String, String>,
) -> Result<String, String> {
    let mut replaced = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        replaced.push_str(before);
        let Some((name, after)) = after.split_once("}}") else {
            replaced.push_str(BRACES);
            rest = after;
            continue;
        };
        replaced.push_str(&replacement(name.trim())?);
        rest = after;
    }
    replaced.push_str(rest);
    Ok(replaced)
}

/// Two braces in a suite.
const BRACES: &str = "{{\"{{\"}}";

/// A text without placeholders, in which two braces are two braces.
pub(super) fn literal(text: &str) -> String {
    text.replace("{{", BRACES)
}

/// The names of the captured values that a text of a suite inserts.
pub(super) fn captured(text: &str) -> Vec<&str> {
    let inside =
        text.split("{{").skip(1).filter_map(|rest| rest.split_once("}}")).map(|(name, _)| name.trim());
    // {{env.NAME}} and {{run.id}} are always there.
    inside.filter(|name| !name.contains(['.', '"'])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_replaced_and_other_braces_stay() {
        let upper = |name: &str| if name == "no" { Err("no".to_owned()) } else { Ok(name.to_uppercase()) };
        assert_eq!(replace("a {{ b }}{{c}} {d}", upper).unwrap(), "a BC {d}");
        assert_eq!(replace("a {{b", upper).unwrap(), "a {{\"{{\"}}b");
        assert_eq!(replace("{{no}}", upper), Err("no".to_owned()));
        assert_eq!(captured("{{a}} {{env.B}} {{run.id}} {{\"{{\"}} {{ c }}"), ["a", "c"]);
    }
}
