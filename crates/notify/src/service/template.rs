//! Any webhook: a POST of what a template makes of the notification.
//!
//! The template language is Jinja: <https://docs.rs/minijinja/latest/minijinja/syntax/>. Each value is written as JSON, with
//! its quotes: `{"title": {{ text }}}`. <https://docs.rs/minijinja/latest/minijinja/enum.AutoEscape.html>

use anyhow::{Context as _, Result, anyhow};
use minijinja::{AutoEscape, Environment};
use reqwest::header::HeaderMap;
use url::Url;

use crate::notification::Notification;
use crate::request::{Request, Step};

/// How many instructions a template may take.
const FUEL: u64 = 100_000;

/// A webhook of any service.
#[derive(Clone)]
pub(crate) struct Webhook {
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    /// `None`: all values as one object.
    pub(super) template: Option<String>,
}

impl Webhook {
    /// The message; an error says what is wrong with the template.
    pub(super) fn request(&self, notification: &Notification) -> Result<Request> {
        let body = match &self.template {
            None => serde_json::to_string(notification)?,
            Some(template) => render(template, notification)?,
        };
        let mut request = Request::post(Step::Create, self.url.clone(), &body);
        request.headers.extend(self.headers.clone());
        Ok(request)
    }
}

/// Checks a template without values.
pub(super) fn check(template: &str) -> Result<()> {
    environment().template_from_str(template).map(drop).map_err(|error| explain(&error))
}

fn render(template: &str, notification: &Notification) -> Result<String> {
    let environment = environment();
    let rendered = environment.template_from_str(template).and_then(|template| template.render(notification));
    let body = rendered.map_err(|error| explain(&error))?;
    serde_json::from_str::<serde::de::IgnoredAny>(&body).map(|_| body).context(
        "what the template makes is not JSON; values have their own quotes, as in {\"text\": {{ text }}}",
    )
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Json);
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment
}

fn explain(error: &minijinja::Error) -> anyhow::Error {
    let line = error.line().map(|line| format!(" (line {line})")).unwrap_or_default();
    anyhow!("the template is wrong{line}: {error}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::notification::Event;
    use crate::notification::tests::notification;

    proptest! {
        #[test]
        fn no_text_leaves_its_place(text in any::<String>()) {
            let body = render(r#"{"a": {{ text }}, "b": {{ event }}}"#, &notification(Event::Failed, &text)).unwrap();
            let value: serde_json::Value = serde_json::from_str(&body).unwrap();
            prop_assert_eq!(&value["a"], &serde_json::Value::from(text));
            prop_assert_eq!(&value["b"], "failed");
        }
    }

    #[test]
    fn a_template_that_is_wrong_says_where() {
        assert!(check("{{ text").unwrap_err().to_string().starts_with("the template is wrong (line 1)"));
        let render = |template| render(template, &notification(Event::Failed, "x")).unwrap_err().to_string();
        assert!(render("{{ txt }}").contains("the template is wrong"));
        assert!(render("\"{{ text }}\"").contains("not JSON"));
        assert!(
            render("{% for i in range(10000) %}{% for j in range(10000) %}.{% endfor %}{% endfor %}")
                .contains("fuel")
        );
    }

    #[test]
    fn without_a_template_all_values_are_sent() {
        let webhook = Webhook {
            url: Url::parse("https://example.com/hook").unwrap(),
            headers: HeaderMap::new(),
            template: None,
        };
        let body: serde_json::Value =
            serde_json::from_str(&webhook.request(&notification(Event::RolledBack, "x")).unwrap().body)
                .unwrap();
        assert_eq!((&body["event"], &body["service"]), (&"rolled-back".into(), &"shop".into()));
    }
}
