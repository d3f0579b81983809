//! Text from outside in Markdown, as itself: it formats nothing, links to nothing and mentions nobody.

use crate::term::text::one_line;

/// The text within a line of Markdown (CommonMark with GitHub's extensions), also in a cell of a table. Not at its beginning,
/// where a number or a dash begins a list.
pub fn text(outside: &str) -> String {
    let mut escaped = String::new();
    for c in one_line(outside).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            // A word joiner: after it, no name is a mention and no address a link.
            '@' => escaped.push_str("@\u{2060}"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' | '#' => {
                escaped.push('\\');
                escaped.push(c);
            }
            c => escaped.push(c),
        }
    }
    // These would be links.
    escaped.replace("://", "\\://").replace("www.", "www\\.")
}

/// The text in an element of HTML.
pub fn html(outside: &str) -> String {
    one_line(outside).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A link. The URL is one that was parsed, so it has no spaces and no brackets.
pub fn link(name: &str, url: &str) -> String {
    format!(
        "[{}](<{}>)",
        text(name),
        one_line(url).replace('<', "%3C").replace('>', "%3E").replace('\\', "%5C")
    )
}

/// Lines of output, as they are.
pub fn code_block(lines: &[String]) -> String {
    let lines: Vec<String> = lines.iter().map(|line| one_line(line)).collect();
    let longest = lines.iter().map(|line| longest_run(line)).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}text\n{}\n{fence}\n", lines.join("\n"))
}

/// A part that is folded until a reader opens it. `markdown` ends with a line feed.
pub fn folded(title: &str, markdown: &str) -> String {
    format!("<details><summary>{}</summary>\n\n{markdown}\n</details>\n", html(title))
}

/// The length of the longest run of backticks.
fn longest_run(line: &str) -> usize {
    line.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_is_shown_as_itself() {
        assert_eq!(text("a|b <img> *c* [d](e) `f`"), r"a\|b &lt;img&gt; \*c\* \[d\](e) \`f\`");
        assert_eq!(text("https://a.example @ada"), "https\\://a.example @\u{2060}ada");
        assert_eq!(text("- a\n# b\u{202e}"), "- a \\# b ");
        assert_eq!(html("<b>&\""), "&lt;b&gt;&amp;&quot;");
    }

    #[test]
    fn no_line_of_output_ends_its_block() {
        let lines = ["a", "````", "</details>"].map(str::to_owned);
        assert_eq!(code_block(&lines), "`````text\na\n````\n</details>\n`````\n");
        assert_eq!(code_block(&["a".to_owned()]), "```text\na\n```\n");
    }
}
