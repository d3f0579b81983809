//! What a cookie that a response sets should be.

use cookie::{Cookie, SameSite};
use http::HeaderMap;
use http::header::SET_COOKIE;

use crate::body::TextCondition;
use crate::excerpt::quoted;

/// What is expected of a cookie; each condition has to hold. The default expects that the response sets it.
#[derive(Debug, Clone, Default)]
pub struct CookieExpectation {
    /// Its name.
    pub name: String,
    /// That it is not set. The other conditions are not used then.
    pub is_absent: bool,
    /// Its value.
    pub value: Vec<TextCondition>,
    /// Whether it goes only by TLS.
    pub secure: Option<bool>,
    /// Whether scripts cannot read it.
    pub http_only: Option<bool>,
    /// Which requests of other sites it goes with.
    pub same_site: Option<SameSite>,
    /// Its path.
    pub path: Option<String>,
    /// Its domain.
    pub domain: Option<String>,
    /// How long it lasts, in seconds.
    pub max_age: Option<i64>,
}

impl CookieExpectation {
    /// The conditions that are not met, in words. If a response sets the cookie more than once, the last one counts.
    pub(crate) fn unmet(&self, headers: &HeaderMap) -> Vec<String> {
        let name = &self.name;
        let lines = headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut cookies =
            lines.filter_map(|line| Cookie::parse(line).ok()).filter(|cookie| cookie.name() == name);
        let cookie = cookies.next_back();
        let cookie = match (cookie, self.is_absent) {
            (Some(_), true) => return vec![format!("the cookie {name} is set, expected none")],
            (None, true) => return Vec::new(),
            (None, false) => return vec![format!("no cookie {name} is set")],
            (Some(cookie), false) => cookie,
        };
        let value = self.value.iter().filter(|condition| !condition.is_met(cookie.value().as_bytes()));
        let mut unmet: Vec<String> = value
            .map(|condition| format!("the cookie {name} {}", condition.describe_unmet(quoted)))
            .collect();
        let mut compare = |attribute: &str, expected: Option<String>, actual: Option<String>| {
            if let Some(expected) = expected
                && actual.as_ref() != Some(&expected)
            {
                let actual = actual.unwrap_or_else(|| "not set".to_owned());
                unmet.push(format!("{attribute} of the cookie {name} is {actual}, expected {expected}"));
            }
        };
        let flag = |set: Option<bool>| Some(set.unwrap_or_default().to_string());
        compare("secure", self.secure.map(|is| is.to_string()), flag(cookie.secure()));
        compare("http_only", self.http_only.map(|is| is.to_string()), flag(cookie.http_only()));
        compare(
            "same_site",
            self.same_site.map(|site| site.to_string()),
            cookie.same_site().map(|site| site.to_string()),
        );
        compare("path", self.path.clone(), cookie.path().map(str::to_owned));
        compare("domain", self.domain.clone(), cookie.domain().map(str::to_owned));
        let seconds = cookie.max_age().map(|age| age.whole_seconds().to_string());
        compare("max_age", self.max_age.map(|age| age.to_string()), seconds);
        unmet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_has_a_value_and_attributes() {
        let lines = ["sid=a1; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=60", "theme=dark"];
        let headers = lines.map(|line| (SET_COOKIE, line.parse().unwrap())).into_iter().collect();
        let sid = CookieExpectation {
            name: "sid".to_owned(),
            value: vec![TextCondition::Contains("a".to_owned())],
            secure: Some(true),
            http_only: Some(true),
            same_site: Some(SameSite::Lax),
            path: Some("/".to_owned()),
            max_age: Some(60),
            ..CookieExpectation::default()
        };
        assert_eq!(sid.unmet(&headers), Vec::<String>::new());
        let other = CookieExpectation { name: "theme".to_owned(), ..sid.clone() };
        assert_eq!(
            other.unmet(&headers),
            [
                "secure of the cookie theme is false, expected true",
                "http_only of the cookie theme is false, expected true",
                "same_site of the cookie theme is not set, expected Lax",
                "path of the cookie theme is not set, expected /",
                "max_age of the cookie theme is not set, expected 60",
            ]
        );
        let absent = |name: &str| CookieExpectation { name: name.to_owned(), is_absent: true, ..sid.clone() };
        assert_eq!(absent("no").unmet(&headers), Vec::<String>::new());
        assert_eq!(absent("sid").unmet(&headers), ["the cookie sid is set, expected none"]);
        let no = CookieExpectation { name: "no".to_owned(), ..sid };
        assert_eq!(no.unmet(&headers), ["no cookie no is set"]);
    }
}
