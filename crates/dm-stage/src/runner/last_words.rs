//! The line of a failed command's output that says most about the failure.

use std::sync::LazyLock;

use regex_lite::Regex;

/// What programs write after the message of an error: the frames of a stack, where a log is, that a command failed.
static TRAILERS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        // JavaScript and Java, Ruby.
        r"^at \S",
        r"^\.\.\. \d+ more$",
        r"^from \S+:\d+:in ",
        r"^Node\.js v\d[\d.]*$",
        r"^npm (ERR!|error)( |$)",
        r"^\S*make(\[\d+\])?: \*\*\* ",
        r"^note: run with `RUST_BACKTRACE",
        // The end of a snippet of code.
        r"^[\^~|\s]+$",
    ]
    .into_iter()
    .filter_map(|pattern| Regex::new(pattern).ok())
    .collect()
});

/// The last line that is no trailer of an error; if there is none, the last one that is not empty.
pub(super) fn last_words(lines: &[String]) -> Option<&str> {
    let said = || lines.iter().rev().map(|line| line.trim()).filter(|line| !line.is_empty());
    let is_trailer = |line: &&str| TRAILERS.iter().any(|trailer| trailer.is_match(line));
    said().find(|line| !is_trailer(line)).or_else(|| said().next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_of_an_error_comes_before_its_trailers() {
        for (output, expected) in [
            ("compiling\nno space left on device\n\n", Some("no space left on device")),
            (
                "shop.mjs:1\nconst = 1;\n      ^\n\nSyntaxError: Unexpected token '='\n    at checkSyntax (node:internal)\n\n\
                 Node.js v20.20.2\n",
                Some("SyntaxError: Unexpected token '='"),
            ),
            (
                "Caused by: java.io.IOException: disk full\n\tat Shop.main(Shop.java:7)\n\t... 12 more\n",
                Some("Caused by: java.io.IOException: disk full"),
            ),
            (
                "shop.c:1:1: error: unknown type name 'x'\nmake: *** [Makefile:2: shop] Error 1\n",
                Some("shop.c:1:1: error: unknown type name 'x'"),
            ),
            (
                "sh: 1: vite: not found\nnpm error code 127\nnpm error path /srv/shop\n",
                Some("sh: 1: vite: not found"),
            ),
            ("npm error code E404\n", Some("npm error code E404")),
            (" \n", None),
        ] {
            let lines: Vec<String> = output.lines().map(str::to_owned).collect();
            assert_eq!(last_words(&lines), expected, "{output}");
        }
    }
}
