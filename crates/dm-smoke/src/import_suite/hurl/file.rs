//! The lines of a Hurl file, as requests and responses.

use anyhow::{Result, bail};

/// A line with its number, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Its number.
    pub(super) number: usize,
    /// Its text, without spaces around it.
    pub(super) text: String,
}

/// A request, and the response that is expected.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// The comment above the request.
    pub(super) comment: Option<String>,
    /// The request.
    pub(super) request: Message,
    /// The response.
    pub(super) response: Option<Message>,
}

/// A request or a response.
#[derive(Debug, Default)]
pub(super) struct Message {
    /// The first line: a method and a URL, or a version and a status.
    pub(super) first: Option<Line>,
    /// The headers, `Name: value`.
    pub(super) headers: Vec<Line>,
    /// The sections, by name.
    pub(super) sections: Vec<Section>,
    /// The body: its first line, and its text.
    pub(super) body: Option<Line>,
}

/// A section, such as `[Asserts]`.
#[derive(Debug)]
pub(super) struct Section {
    /// Its name.
    pub(super) name: String,
    /// The line of its name.
    pub(super) number: usize,
    /// Its lines.
    pub(super) lines: Vec<Line>,
}

/// Reads the entries of a file.
///
/// # Errors
/// The file does not begin with a request.
pub(super) fn read(text: &str) -> Result<Vec<Entry>> {
    let lines: Vec<&str> = text.trim_start_matches('\u{feff}').lines().collect();
    let mut entries: Vec<Entry> = Vec::new();
    let mut comment = None;
    let mut at = 0;
    while let Some(raw) = lines.get(at) {
        let line = Line { number: at + 1, text: raw.trim().to_owned() };
        at += 1;
        if line.text.is_empty() {
            comment = None;
        } else if let Some(text) = line.text.strip_prefix('#') {
            comment = Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        } else if is_request(&line.text) {
            let request = Message { first: Some(without_comment(line)), ..Message::default() };
            entries.push(Entry { comment: comment.take(), request, response: None });
        } else {
            let Some(entry) = entries.last_mut() else {
                bail!("line {}: expected a request, such as GET https://example.com", line.number);
            };
            comment = None;
            if is_response(&line.text) && entry.response.is_none() {
                entry.response = Some(Message { first: Some(without_comment(line)), ..Message::default() });
            } else {
                let message = entry.response.as_mut().unwrap_or(&mut entry.request);
                at = message.add(line, &lines, at);
            }
        }
    }
    if entries.is_empty() {
        bail!("there is no request");
    }
    Ok(entries)
}

impl Message {
    /// Adds a line, and what belongs to it. Returns the index of the next line.
    fn add(&mut self, line: Line, lines: &[&str], next: usize) -> usize {
        if let Some(name) = section_name(&line.text) {
            self.sections.push(Section { name, number: line.number, lines: Vec::new() });
            return next;
        }
        if is_body(&line.text) && self.body.is_none() && !self.is_predicate(&line.text) {
            let (text, end) = body(lines, next - 1);
            self.body = Some(Line { number: line.number, text });
            return end;
        }
        // A predicate can have a text of several lines.
        let end = if line.text.matches("```").count() == 1 { closing(lines, next) } else { next };
        let target = self.sections.last_mut().map_or(&mut self.headers, |section| &mut section.lines);
        target.push(line);
        end
    }

    /// Whether the line can only belong to the section before it.
    fn is_predicate(&self, text: &str) -> bool {
        self.sections.last().is_some() && text.starts_with('"') && text.contains(':')
    }

    /// The lines of the sections with one of these names.
    pub(super) fn section<'a>(&'a self, names: &'a [&str]) -> impl Iterator<Item = &'a Line> {
        self.sections
            .iter()
            .filter(|section| names.contains(&section.name.as_str()))
            .flat_map(|section| &section.lines)
    }
}

fn is_request(text: &str) -> bool {
    let Some((method, rest)) = text.split_once(char::is_whitespace) else { return false };
    !method.is_empty()
        && method.chars().all(|c| c.is_ascii_uppercase())
        && method != "HTTP"
        && !rest.trim().is_empty()
}

fn is_response(text: &str) -> bool {
    text == "HTTP" || text.starts_with("HTTP ") || text.starts_with("HTTP/")
}

fn section_name(text: &str) -> Option<String> {
    let (name, after) = text.strip_prefix('[')?.split_once(']')?;
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphabetic());
    let is_alone = after.trim().is_empty() || after.trim().starts_with('#');
    // true, false and null in brackets are JSON.
    (is_name && is_alone && !matches!(name, "true" | "false" | "null")).then(|| name.to_owned())
}

fn is_body(text: &str) -> bool {
    let starts = ["```", "`", "{", "[", "<", "\"", "file,", "hex,", "base64,"];
    starts.iter().any(|start| text.starts_with(start))
}

/// The body that begins on a line, and the index of the line after it.
fn body(lines: &[&str], first: usize) -> (String, usize) {
    let beginning = lines.get(first).map(|line| line.trim()).unwrap_or_default();
    let end = if beginning.starts_with("```") {
        if beginning.len() > 3 && beginning.matches("```").count() == 2 {
            first + 1
        } else {
            closing(lines, first + 1)
        }
    } else if beginning.starts_with(['{', '[']) {
        balanced(lines, first)
    } else if beginning.starts_with('<') {
        let rest = lines.iter().enumerate().skip(first + 1);
        let next = rest.map(|(at, line)| (at, line.trim()));
        next.into_iter()
            .find(|(_, line)| is_request(line) || is_response(line))
            .map_or(lines.len(), |(at, _)| at)
    } else {
        first + 1
    };
    let text = lines.get(first..end.min(lines.len())).unwrap_or_default().join("\n");
    (text.trim().to_owned(), end)
}

/// The index after the line that ends a text of several lines.
fn closing(lines: &[&str], from: usize) -> usize {
    let rest = lines.iter().enumerate().skip(from);
    rest.into_iter().find(|(_, line)| line.contains("```")).map_or(lines.len(), |(at, _)| at + 1)
}

/// The index after the line in which the brackets of JSON are closed.
fn balanced(lines: &[&str], from: usize) -> usize {
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    for (at, line) in lines.iter().enumerate().skip(from) {
        for c in line.chars() {
            match c {
                _ if is_escaped => is_escaped = false,
                '\\' if in_string => is_escaped = true,
                '"' => in_string = !in_string,
                '{' | '[' if !in_string => depth += 1,
                '}' | ']' if !in_string => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        if depth == 0 {
            return at + 1;
        }
    }
    lines.len()
}

/// The line without a comment at its end.
pub(super) fn without_comment(line: Line) -> Line {
    match line.text.find(" #").or_else(|| line.text.find("\t#")) {
        Some(at) => Line { text: line.text.get(..at).unwrap_or_default().trim_end().to_owned(), ..line },
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    #[test]
    fn requests_responses_sections_and_bodies_are_told_apart() {
        let text = "# Log in\nPOST http://h/login # here\nA: b\n[Options]\nretry: 3\n{\n  \"a\": \"}\"\n}\n\nHTTP 200\n\
                    Content-Type: text/html\n[Asserts]\nbody == ```\nGET x\n```\nstatus == 200\n\nGET http://h/\n\
                    HTTP/1.1 *\n```\nHTTP 200\n```\n";
        let entries = read(text).unwrap();
        assert_eq!(entries.len(), 2);
        let [first, second] = entries.as_slice() else { panic!() };
        assert_eq!(first.comment.as_deref(), Some("Log in"));
        assert_eq!(first.request.first.as_ref().unwrap().text, "POST http://h/login");
        assert_eq!(first.request.body.as_ref().unwrap().text, "{\n  \"a\": \"}\"\n}");
        assert_eq!(first.request.section(&["Options"]).count(), 1);
        let response = first.response.as_ref().unwrap();
        assert_eq!((response.headers.len(), response.section(&["Asserts"]).count()), (1, 2));
        assert_eq!(second.response.as_ref().unwrap().body.as_ref().unwrap().text, "```\nHTTP 200\n```");
        assert!(read("A: b\n").is_err() && read("# only a comment\n").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "(GET h|HTTP 200|\\[Asserts\\]|a: b|```|\\{|\\}|\"|<a>|#|\\PC{0,8}|\n){0,30}") {
            let _ = read(&text);
        }
    }
}
