//! The requests of a Hurl file.

use toml::{Table, Value};

use super::body;
use super::file::{Line, Message, without_comment};
use super::options::Options;
use super::token::unescaped;
use crate::import_suite::draft::{add_pair, set};
use crate::import_suite::secret::Secrets;

/// The request of a suite. `template` replaces placeholders.
///
/// # Errors
/// A suite cannot send it, so that no test can be made of it. The message says why, with the line.
pub(super) fn translate(
    request: &Message,
    options: &Options,
    secrets: &mut Secrets,
    template: &dyn Fn(&str) -> Result<String, String>,
) -> Result<Table, (usize, String)> {
    let first = request.first.clone().unwrap_or(Line { number: 0, text: String::new() });
    let here = |line: &Line| {
        let number = line.number;
        move |why: String| (number, why)
    };
    let (method, url) = first.text.split_once(char::is_whitespace).unwrap_or_default();
    let mut http = Table::new();
    if method != "GET" {
        http.insert("method".to_owned(), Value::String(method.to_owned()));
    }
    http.insert("url".to_owned(), Value::String(template(url.trim()).map_err(here(&first))?));
    for line in &request.headers {
        let (name, value) = key_value(line).map_err(here(line))?;
        let value = template(&value).map_err(here(line))?;
        set(&mut http, "headers", &name, secrets.hide(&name, &value));
    }
    for header in &options.headers {
        let (name, value) = header.split_once(':').unwrap_or((header, ""));
        let value = template(value.trim()).map_err(here(&first))?;
        set(&mut http, "headers", name.trim(), secrets.hide(name, &value));
    }
    for (names, key) in [(["Query", "QueryStringParams"], "query"), (["Form", "FormParams"], "form")] {
        for line in request.section(&names) {
            let (name, value) = key_value(line).map_err(here(line))?;
            let value = template(&value).map_err(here(line))?;
            add_pair(&mut http, key, &name, secrets.hide(&name, &value));
        }
    }
    let mut cookies = Vec::new();
    for line in request.section(&["Cookies"]) {
        let (name, value) = key_value(line).map_err(here(line))?;
        cookies.push(format!("{name}={}", template(&value).map_err(here(line))?));
    }
    if !cookies.is_empty() {
        set(&mut http, "headers", "cookie", secrets.hide("cookie", &cookies.join("; ")));
    }
    let in_section = request.section(&["BasicAuth"]).next().map(key_value).transpose();
    let in_section = in_section.map_err(|why| (first.number, why))?;
    let in_options = options.user.as_ref().and_then(|user| user.split_once(':'));
    let user = in_section.or_else(|| in_options.map(|(user, word)| (user.to_owned(), word.to_owned())));
    if let Some((user, password)) = user {
        let password = template(&password).map_err(here(&first))?;
        set(&mut http, "basic_auth", "user", template(&user).map_err(here(&first))?);
        set(&mut http, "basic_auth", "password", secrets.hide_value("PASSWORD", &password));
    }
    if let Some(text) = &request.body {
        body::add(&mut http, &text.text, secrets, template).map_err(here(text))?;
    }
    for line in request.section(&["Multipart", "MultipartFormData"]) {
        let (name, value) = key_value(line).map_err(here(line))?;
        let part = part(&template(&value).map_err(here(line))?);
        let parts = http.entry("multipart").or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(parts) = parts {
            parts.insert(name, part);
        }
    }
    http.extend(options.http.clone());
    if let Some(redirects) = options.redirects() {
        http.insert("redirects".to_owned(), Value::Integer(redirects));
    }
    Ok(http)
}

/// A part of a form: a text, or `file,PATH; TYPE`.
fn part(value: &str) -> Value {
    let Some((path, kind)) = value.strip_prefix("file,").and_then(|rest| rest.split_once(';')) else {
        return Value::String(value.to_owned());
    };
    let mut part = Table::from_iter([("file".to_owned(), Value::String(path.trim().to_owned()))]);
    if !kind.trim().is_empty() {
        part.insert("type".to_owned(), Value::String(kind.trim().to_owned()));
    }
    Value::Table(part)
}

/// A name and a value: `Name: value`.
///
/// # Errors
/// There is no colon.
pub(super) fn key_value(line: &Line) -> Result<(String, String), String> {
    let line = without_comment(line.clone());
    let (name, value) = line.text.split_once(':').ok_or_else(|| format!("the line {:?}", line.text))?;
    let name = name.trim().trim_matches('"');
    Ok((name.to_owned(), unescaped(value.trim())))
}
