//! Which service an alert is about, by its labels. Pure. The labels of an alert are text from strangers.

use std::collections::BTreeMap;
use std::str::FromStr;

use common::identity::Identity;
use common::label::Label;

use crate::notify::alertmanager::equal;

/// Labels that usually say what an alert is about, for the advice in a message.
const TELLING: [&str; 6] = ["job", "app", "app_kubernetes_io_name", "namespace", "instance", "service"];

/// A label that an alert needs, as typed: `LABEL=VALUE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertLabel {
    name: String,
    value: Label,
}

impl FromStr for AlertLabel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or("give a label and its value, such as job=web")?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(is_name) {
            return Err(format!("{name:?} is not the name of a label"));
        }
        let value = value.parse().map_err(|error| format!("the value of {name} {error}"))?;
        Ok(Self { name: name.to_owned(), value })
    }
}

/// The labels that an alert of this service has.
#[derive(Debug, Clone)]
pub struct AlertLabels {
    required: Vec<AlertLabel>,
}

/// What the labels of an alert say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// The alert is about this service.
    Ours,
    /// It is about another service, according to this label and value.
    Other(String),
    /// They do not say it. The sentence says what is missing, and what to do.
    Unknown(String),
}

impl AlertLabels {
    /// The given labels, otherwise those of the service and the environment.
    pub fn new(given: &[AlertLabel], identity: &Identity) -> Self {
        let label = |name: &str, value: &Label| AlertLabel { name: name.to_owned(), value: value.clone() };
        let ours = || vec![label("service", &identity.service), label("environment", &identity.environment)];
        Self { required: if given.is_empty() { ours() } else { given.to_vec() } }
    }

    /// What an alert is about. A missing label says nothing: the rule may be one for several environments.
    pub(crate) fn judge(&self, labels: &BTreeMap<String, String>) -> Subject {
        // In Prometheus an empty label is a missing one.
        let actual = |required: &AlertLabel| labels.get(&required.name).filter(|value| !value.is_empty());
        let differs =
            |required: &&AlertLabel| actual(required).is_some_and(|value| value != required.value.as_str());
        if let Some(AlertLabel { name, .. }) = self.required.iter().find(differs) {
            let value = labels.get(name).and_then(|value| Label::sanitize(value));
            return Subject::Other(value.map_or_else(|| name.clone(), |value| format!("{name}={value}")));
        }
        let Some(missing) = self.required.iter().find(|required| actual(required).is_none()) else {
            return Subject::Ours;
        };
        let AlertLabel { name, value } = missing;
        let advice = Self::advice(labels);
        Subject::Unknown(format!(
            "its labels do not name the {name} {value}: give --alert-match {advice} if it is about it"
        ))
    }

    /// The matchers for alerts of this service.
    pub(crate) fn matchers(&self) -> Vec<String> {
        self.required.iter().map(|AlertLabel { name, value }| equal(name, value.as_str())).collect()
    }

    /// A flag's value that would select an alert with these labels. A shell must not find anything in it.
    fn advice(labels: &BTreeMap<String, String>) -> String {
        let is_plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "_.:/-".contains(c));
        let given =
            |name: &&str| labels.get(*name).map(|value| format!("{name}={value}").parse::<AlertLabel>());
        let mut known = TELLING.iter().filter_map(given).flatten();
        known
            .find(|label| is_plain(label.value.as_str()))
            .map_or_else(|| "LABEL=VALUE".to_owned(), |AlertLabel { name, value }| format!("{name}={value}"))
    }
}

impl std::fmt::Display for AlertLabels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let labels: Vec<_> =
            self.required.iter().map(|AlertLabel { name, value }| format!("{name}={value}")).collect();
        f.write_str(&labels.join(" and "))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::safeguards::facts::tests::ours;

    fn labels(labels: &[(&str, &str)]) -> BTreeMap<String, String> {
        labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn judge(given: &[&str], of_alert: &[(&str, &str)]) -> Subject {
        let given: Vec<AlertLabel> = given.iter().map(|text| text.parse().unwrap()).collect();
        AlertLabels::new(&given, &ours()).judge(&labels(of_alert))
    }

    fn unknown(given: &[&str], of_alert: &[(&str, &str)]) -> String {
        match judge(given, of_alert) {
            Subject::Unknown(why) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_alert_is_ours_only_if_its_labels_say_so() {
        let (api, production) = (("service", "api"), ("environment", "production"));
        assert_eq!(judge(&[], &[api, production, ("pod", "x")]), Subject::Ours);
        assert_eq!(judge(&[], &[("service", "web"), production]), Subject::Other("service=web".to_owned()));
        assert_eq!(
            judge(&[], &[api, ("environment", "staging")]),
            Subject::Other("environment=staging".to_owned())
        );
        // A label that differs says more than one that is missing.
        assert_eq!(
            judge(&[], &[("environment", "staging")]),
            Subject::Other("environment=staging".to_owned())
        );
        let advice = "its labels do not name the service api: give --alert-match job=web if it is about it";
        assert_eq!(unknown(&[], &[("job", "web"), ("namespace", "web")]), advice);
        assert!(
            unknown(&[], &[api, ("environment", "")])
                .contains("the environment production: give --alert-match service=api")
        );
        assert!(unknown(&[], &[]).contains("give --alert-match LABEL=VALUE"));
    }

    #[test]
    fn the_given_labels_replace_those_of_the_service() {
        let both = ["job=web", "namespace=shop"];
        assert_eq!(judge(&both, &[("job", "web"), ("namespace", "shop"), ("service", "w")]), Subject::Ours);
        assert_eq!(
            judge(&both, &[("job", "web"), ("namespace", "b")]),
            Subject::Other("namespace=b".to_owned())
        );
        assert!(unknown(&both, &[("job", "web")]).contains("the namespace shop"));
    }

    #[test]
    fn a_label_is_a_name_and_a_value() {
        for bad in ["", "job", "=web", "job=", "9=a", "a-b=c", "job=a\u{7}"] {
            assert!(bad.parse::<AlertLabel>().is_err(), "{bad:?}");
        }
        assert_eq!("url=a=b".parse::<AlertLabel>().unwrap().value.as_str(), "a=b");
    }

    proptest! {
        #[test]
        fn what_a_stranger_writes_stays_short_and_on_one_line(value in "\\PC*|(?s).{0,300}", name in 0..TELLING.len()) {
            let text = match judge(&[], &[(TELLING[name], &value)]) {
                Subject::Other(text) | Subject::Unknown(text) => text,
                Subject::Ours => String::new(),
            };
            prop_assert!(text.len() < 300 && !text.chars().any(char::is_control), "{:?}", text);
            prop_assert!(!text.contains(['$', '`', ';']) || text.starts_with("service="), "{:?}", text);
        }
    }
}
