//! What a request sends: its `body`, `json`, `form` or `multipart`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use toml::Spanned;
use toml::de::DeValue;

use super::fields::{self, Fields, Value};
use super::model::{Body, JsonTemplate, Part, PartContent};
use super::reader::TestReader;
use super::template::Template;

/// The fields that are a body; a request has one of them.
const FIELDS: [&str; 4] = ["body", "json", "form", "multipart"];

/// Reads the body of a request. `None` after an error.
pub(crate) fn read(fields: &mut Fields<'_>, entry: &Value<'_>, reader: &mut TestReader<'_>) -> Option<Body> {
    let [body, json, form, multipart] = FIELDS.map(|name| fields.get(name));
    let given = [body, json, form, multipart].into_iter().flatten().count();
    if given > 1 {
        let message = format!("a request takes only one of {}", FIELDS.join(", "));
        reader.diagnostics.report(entry.span(), message);
        return None;
    }
    if let Some(value) = body {
        return body_value(value, reader);
    }
    if let Some(value) = json {
        return json_template(value, reader).map(Body::Json);
    }
    if form.is_some() {
        return Some(Body::Form(pairs("form", fields, reader)));
    }
    if multipart.is_some() {
        let entries = fields.entries("multipart", reader.diagnostics);
        let parts = entries.into_iter().flat_map(|(name, value)| parts(&name, value, reader));
        return Some(Body::Multipart(parts.collect()));
    }
    Some(Body::None)
}

/// Reads a table of names and values. An array sends its name several times.
pub(crate) fn pairs(
    name: &'static str,
    fields: &mut Fields<'_>,
    reader: &mut TestReader<'_>,
) -> Vec<(String, Template)> {
    let entries = fields.entries(name, reader.diagnostics);
    let pairs = entries.into_iter().flat_map(|(name, value)| {
        let templates: Vec<_> = items(value).iter().map(|item| reader.template_value(item)).collect();
        let name = reader.literal(&name);
        templates
            .into_iter()
            .filter_map(move |template| Some((name.clone()?, template?.1)))
            .collect::<Vec<_>>()
    });
    pairs.collect()
}

/// The items of an array, or the one value.
fn items<'t>(value: &'t Value<'t>) -> &'t [Value<'t>] {
    match value.get_ref().as_array() {
        Some(list) => list,
        None => std::slice::from_ref(value),
    }
}

fn body_value(value: &Value<'_>, reader: &mut TestReader<'_>) -> Option<Body> {
    let form = "a string, { file = \"order.json\" } or { base64 = \"AAE=\" }";
    if value.get_ref().is_str() {
        return reader.template_value(value).map(|(_, template)| Body::Text(template));
    }
    let mut fields = Fields::from_value(value, form, reader.diagnostics)?;
    let file = fields.get("file");
    let base64 = fields.text("base64", reader.diagnostics);
    fields.finish(reader.diagnostics);
    match (file, base64) {
        (Some(file), None) => reader.path(file).map(Body::File),
        (None, Some(text)) => {
            let decoded = STANDARD.decode(text.get_ref()).map_err(|error| format!("not Base64: {error}"));
            reader.diagnostics.unwrap_or_report(text.span(), decoded).map(Body::Bytes)
        }
        _ => {
            reader.diagnostics.report(value.span(), format!("expected {form}"));
            None
        }
    }
}

fn parts(name: &Spanned<&str>, value: &Value<'_>, reader: &mut TestReader<'_>) -> Vec<Part> {
    let Some(name) = reader.literal(name) else { return Vec::new() };
    items(value).iter().filter_map(|item| part(name.clone(), item, reader)).collect()
}

fn part(name: String, value: &Value<'_>, reader: &mut TestReader<'_>) -> Option<Part> {
    let form = "a string, or a table such as { file = \"photo.png\", type = \"image/png\" } or { text = \"{}\", type = \
                \"application/json\" }";
    if value.get_ref().is_str() {
        let (_, template) = reader.template_value(value)?;
        return Some(Part { name, content: PartContent::Text(template), file_name: None, media_type: None });
    }
    let mut fields = Fields::from_value(value, form, reader.diagnostics)?;
    let (file, written) = (fields.get("file"), fields.get("text"));
    let mut literal = |field| {
        let text = fields.text(field, reader.diagnostics)?;
        Some((text.span(), reader.literal(&text)?))
    };
    let (file_name, media_type) = (literal("filename").map(|(_, name)| name), literal("type"));
    fields.finish(reader.diagnostics);
    if let Some((at, media_type)) = &media_type
        && reqwest::multipart::Part::text("").mime_str(media_type).is_err()
    {
        reader.diagnostics.report(at.clone(), "expected a media type such as \"image/png\"");
    }
    let media_type = media_type.map(|(_, media_type)| media_type);
    let content = match (file, written) {
        (Some(file), None) => PartContent::File(reader.path(file)?),
        (None, Some(text)) => PartContent::Text(reader.template_value(text)?.1),
        _ => {
            reader.diagnostics.report(value.span(), format!("expected {form}"));
            return None;
        }
    };
    Some(Part { name, content, file_name, media_type })
}

fn json_template(value: &Value<'_>, reader: &mut TestReader<'_>) -> Option<JsonTemplate> {
    Some(match value.get_ref() {
        DeValue::String(text) => {
            JsonTemplate::Text(reader.template(&Spanned::new(value.span(), text.as_ref()))?)
        }
        DeValue::Array(list) => {
            JsonTemplate::List(list.iter().filter_map(|value| json_template(value, reader)).collect())
        }
        DeValue::Table(table) => JsonTemplate::Object(
            table
                .iter()
                .filter_map(|(key, value)| {
                    let key = Spanned::new(key.span(), key.get_ref().as_ref());
                    Some((reader.literal(&key)?, json_template(value, reader)?))
                })
                .collect(),
        ),
        DeValue::Integer(_) => JsonTemplate::Other(fields::integer(value)?.into()),
        DeValue::Float(float) => {
            JsonTemplate::Other(float.as_str().replace('_', "").parse::<f64>().ok()?.into())
        }
        DeValue::Boolean(boolean) => JsonTemplate::Other((*boolean).into()),
        DeValue::Datetime(time) => JsonTemplate::Other(time.to_string().into()),
    })
}
