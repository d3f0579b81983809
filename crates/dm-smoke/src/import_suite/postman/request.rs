//! The requests of a collection.

use serde_json::Value;
use toml::{Table, Value as Toml};

use super::url;
use super::variables::{Variables, text_of};
use crate::import_suite::draft::{add_pair, set};
use crate::import_suite::json_body;
use crate::import_suite::placeholder::literal;
use crate::import_suite::secret::Secrets;
use crate::suite::connection::MAX_REDIRECTS;

/// The request of a suite, with the authentication that it inherits. `behavior` is how Postman would send it.
///
/// # Errors
/// A suite cannot send it. The message says why.
pub(super) fn translate(
    request: &Value,
    behavior: &Value,
    inherited_auth: Option<&Value>,
    variables: &mut Variables,
    secrets: &mut Secrets,
) -> Result<Table, String> {
    let mut http = Table::new();
    let method = request["method"].as_str().unwrap_or("GET");
    if method != "GET" {
        http.insert("method".to_owned(), Toml::String(method.to_owned()));
    }
    let target = if request.is_string() { request } else { &request["url"] };
    url::add(target, &mut http, variables, secrets)?;
    for header in
        request["header"].as_array().into_iter().flatten().filter(|header| header["disabled"] != true)
    {
        let name = header["key"].as_str().unwrap_or_default();
        let value = variables.insert(&text_of(&header["value"]).unwrap_or_default())?;
        if !name.is_empty() {
            set(&mut http, "headers", name, secrets.hide(name, &value));
        }
    }
    let own = request.get("auth").filter(|auth| !auth.is_null());
    if let Some(auth) = own.or(inherited_auth) {
        authorize(auth, &mut http, variables, secrets)?;
    }
    body(&request["body"], &mut http, variables, secrets)?;
    // Postman follows redirects, keeps cookies, and verifies certificates, unless the request says otherwise.
    http.insert("cookies".to_owned(), Toml::Boolean(behavior["disableCookies"] != true));
    if behavior["followRedirects"] != false {
        let most = behavior["maxRedirects"].as_i64().unwrap_or(10).clamp(0, MAX_REDIRECTS.into());
        http.insert("redirects".to_owned(), Toml::Integer(most));
    }
    if behavior["strictSSL"] == false {
        let insecure = Table::from_iter([("insecure".to_owned(), Toml::Boolean(true))]);
        http.insert("tls".to_owned(), Toml::Table(insecure));
    }
    Ok(http)
}

fn authorize(
    auth: &Value,
    http: &mut Table,
    variables: &Variables,
    secrets: &mut Secrets,
) -> Result<(), String> {
    let kind = auth["type"].as_str().unwrap_or_default();
    let parameter = |name: &str| -> Result<String, String> {
        // A list of keys and values, and in version 2.0 an object.
        let list = auth[kind].as_array().into_iter().flatten();
        let in_list = list.filter(|pair| pair["key"] == name).find_map(|pair| text_of(&pair["value"]));
        variables.insert(&in_list.or_else(|| text_of(&auth[kind][name])).unwrap_or_default())
    };
    match kind {
        "noauth" | "" => {}
        "basic" => {
            set(http, "basic_auth", "user", parameter("username")?);
            let password = secrets.hide_value("PASSWORD", &parameter("password")?);
            set(http, "basic_auth", "password", password);
        }
        "bearer" => {
            let token = secrets.hide_value("TOKEN", &parameter("token")?);
            http.insert("bearer".to_owned(), Toml::String(token));
        }
        "apikey" => {
            let (name, value) = (parameter("key")?, secrets.hide_value("API_KEY", &parameter("value")?));
            let place = if parameter("in")? == "query" { "query" } else { "headers" };
            set(http, place, &name, value);
        }
        // A token that is there already; how to get one is not translated.
        "oauth2" if !parameter("accessToken")?.is_empty() => {
            let token = secrets.hide_value("TOKEN", &parameter("accessToken")?);
            if parameter("addTokenTo")? == "queryParams" {
                set(http, "query", "access_token", token);
            } else {
                http.insert("bearer".to_owned(), Toml::String(token));
            }
        }
        other => return Err(format!("the authentication {other}")),
    }
    Ok(())
}

fn body(body: &Value, http: &mut Table, variables: &Variables, secrets: &mut Secrets) -> Result<(), String> {
    if body["disabled"] == true {
        return Ok(());
    }
    match body["mode"].as_str().unwrap_or_default() {
        "" | "none" => {}
        "raw" => {
            let text = variables.insert(body["raw"].as_str().unwrap_or_default())?;
            if text.is_empty() {
                return Ok(());
            }
            if body["options"]["raw"]["language"] == "json" && !has_content_type(http) {
                set(http, "headers", "content-type", "application/json");
            }
            json_body::add(http, &text, secrets);
        }
        "urlencoded" => {
            for pair in body["urlencoded"].as_array().into_iter().flatten() {
                let name = pair["key"].as_str().unwrap_or_default();
                if pair["disabled"] == true || name.is_empty() {
                    continue;
                }
                let value = variables.insert(&text_of(&pair["value"]).unwrap_or_default())?;
                add_pair(http, "form", name, secrets.hide(name, &value));
            }
        }
        "formdata" => {
            let mut parts = Table::new();
            for part in
                body["formdata"].as_array().into_iter().flatten().filter(|part| part["disabled"] != true)
            {
                let name = part["key"].as_str().unwrap_or_default();
                let mut values = match &part["src"] {
                    Value::String(path) => vec![file(path)],
                    Value::Array(paths) => paths.iter().filter_map(Value::as_str).map(file).collect(),
                    _ if part["type"] == "file" => Vec::new(),
                    _ => vec![variables.insert(&text_of(&part["value"]).unwrap_or_default())?.into()],
                };
                if values.is_empty() {
                    return Err(format!("the files of {name}"));
                }
                // A name can come several times.
                match parts.remove(name) {
                    Some(Toml::Array(before)) => values.splice(0..0, before).for_each(drop),
                    Some(before) => values.insert(0, before),
                    None => {}
                }
                let value = if values.len() > 1 { Toml::Array(values) } else { values.remove(0) };
                parts.insert(name.to_owned(), value);
            }
            http.insert("multipart".to_owned(), Toml::Table(parts));
        }
        "file" if body["file"]["src"].is_string() => {
            let path = body["file"]["src"].as_str().unwrap_or_default();
            http.insert("body".to_owned(), file(path));
        }
        "graphql" => {
            let variables_of_query = body["graphql"]["variables"].as_str().unwrap_or_default();
            let mut message = serde_json::json!({ "query": body["graphql"]["query"] });
            if let Ok(values) = serde_json::from_str::<Value>(variables_of_query) {
                message["variables"] = values;
            }
            if !has_content_type(http) {
                set(http, "headers", "content-type", "application/json");
            }
            json_body::add(http, &variables.insert(&message.to_string())?, secrets);
        }
        other => return Err(format!("a body of the kind {other}")),
    }
    Ok(())
}

fn file(path: &str) -> Toml {
    Toml::Table(Table::from_iter([("file".to_owned(), literal(path).into())]))
}

fn has_content_type(http: &Table) -> bool {
    let headers = http.get("headers").and_then(Toml::as_table);
    headers.is_some_and(|headers| headers.keys().any(|name| name.eq_ignore_ascii_case("content-type")))
}
