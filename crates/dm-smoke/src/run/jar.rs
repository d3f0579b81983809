//! Cookies: a test starts with those that the tests got on which it depends, directly or not. Other tests that run at the
//! same time do not change them.

use std::collections::BTreeSet;
use std::sync::Arc;

use cookie_store::CookieStore;
use reqwest::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use url::Url;

/// A cookie that a response set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SetCookie {
    url: Url,
    header: String,
}

/// The cookies of all tests that have passed, in the order in which they passed.
#[derive(Debug, Default)]
pub(super) struct Cookies(Vec<(usize, Arc<[SetCookie]>)>);

impl Cookies {
    /// Adds those of a test.
    pub(super) fn add(&mut self, index: usize, cookies: Vec<SetCookie>) {
        if !cookies.is_empty() {
            self.0.push((index, cookies.into()));
        }
    }

    /// Those of the tests on which a test depends, given the dependencies of each test.
    pub(super) fn of_dependencies(&self, index: usize, dependencies: &[Vec<usize>]) -> Vec<Arc<[SetCookie]>> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let mut found = BTreeSet::new();
        let mut todo = vec![index];
        while let Some(at) = todo.pop() {
            todo.extend(dependencies.get(at).into_iter().flatten().filter(|&&at| found.insert(at)));
        }
        let own = self.0.iter().filter(|(index, _)| found.contains(index));
        own.map(|(_, cookies)| Arc::clone(cookies)).collect()
    }
}

/// The cookies of one test.
#[derive(Debug, Default)]
pub(super) struct Jar {
    store: CookieStore,
    /// Those that the test itself was given.
    new: Vec<SetCookie>,
}

impl Jar {
    /// The cookies that responses set, in this order.
    pub(super) fn replay<'a>(cookies: impl IntoIterator<Item = &'a SetCookie>) -> Self {
        let mut jar = Self::default();
        for SetCookie { url, header } in cookies {
            // A cookie that does not belong to its host is refused, as a browser does.
            let _ = jar.store.parse(header, url);
        }
        jar
    }

    /// Keeps the cookies of a response.
    pub(super) fn keep(&mut self, url: &Url, headers: &HeaderMap) {
        for header in headers.get_all(SET_COOKIE) {
            let header = String::from_utf8_lossy(header.as_bytes()).into_owned();
            if self.store.parse(&header, url).is_ok() {
                self.new.push(SetCookie { url: url.clone(), header });
            }
        }
    }

    /// Adds the cookies for a URL to the headers of its request.
    pub(super) fn add_to(&self, headers: &mut HeaderMap, url: &Url) {
        let own = headers.get(COOKIE).map(|own| String::from_utf8_lossy(own.as_bytes()).into_owned());
        let stored = self.store.get_request_values(url).map(|(name, value)| format!("{name}={value}"));
        let all: Vec<String> = own.into_iter().chain(stored).collect();
        if let Ok(mut value) = HeaderValue::from_str(&all.join("; "))
            && !all.is_empty()
        {
            value.set_sensitive(true);
            headers.insert(COOKIE, value);
        }
    }

    /// The values of all cookies, which can be secrets.
    pub(super) fn values(&self) -> impl Iterator<Item = String> {
        self.store.iter_any().map(|cookie| cookie.value().to_owned())
    }

    /// The cookies that the test was given.
    pub(super) fn into_new(self) -> Vec<SetCookie> {
        self.new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn sent(jar: &Jar, to: &str, own: Option<&'static str>) -> String {
        let mut headers = HeaderMap::new();
        headers.extend(own.map(|own| (COOKIE, HeaderValue::from_static(own))));
        jar.add_to(&mut headers, &url(to));
        headers.get(COOKIE).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    }

    #[test]
    fn cookies_go_where_a_browser_sends_them() {
        let mut jar = Jar::default();
        let set =
            ["sid=1; Path=/; HttpOnly", "a=b; Path=/admin", "evil=1; Domain=other.example", "s=2; Secure"];
        let headers = set.map(|text| (SET_COOKIE, HeaderValue::from_static(text)));
        jar.keep(&url("http://h.example/login"), &headers.into_iter().collect());
        assert_eq!(sent(&jar, "http://h.example/x", None), "sid=1");
        assert_eq!(sent(&jar, "http://h.example/x", Some("own=1")), "own=1; sid=1");
        assert_eq!(sent(&jar, "http://other.example/", None), "");
        assert_eq!(sent(&jar, "http://other.example/", Some("own=1")), "own=1");
        let again = Jar::replay(&jar.into_new());
        assert_eq!(sent(&again, "http://h.example/admin/x", None).len(), "sid=1; a=b".len());
    }

    #[test]
    fn a_test_gets_the_cookies_of_its_dependencies() {
        let mut cookies = Cookies::default();
        let set = |text: &str| vec![SetCookie { url: url("http://h/"), header: text.to_owned() }];
        cookies.add(1, set("a=1"));
        cookies.add(0, set("b=1"));
        cookies.add(3, set("c=1"));
        let dependencies = [vec![], vec![0], vec![1], vec![]];
        let of = |index| {
            let lists = cookies.of_dependencies(index, &dependencies);
            lists.iter().flat_map(|list| list.iter()).map(|cookie| cookie.header.clone()).collect::<Vec<_>>()
        };
        assert_eq!(
            (of(2), of(1), of(0)),
            (vec!["a=1".to_owned(), "b=1".to_owned()], vec!["b=1".to_owned()], vec![])
        );
    }

    #[test]
    fn a_cookie_can_be_replaced_and_deleted() {
        let mut jar = Jar::default();
        let home = url("http://h/");
        for text in ["a=1", "a=2", "b=1", "b=; Max-Age=0"] {
            jar.keep(&home, &HeaderMap::from_iter([(SET_COOKIE, HeaderValue::from_static(text))]));
        }
        assert_eq!(sent(&jar, "http://h/", None), "a=2");
        assert_eq!(sent(&Jar::replay(&jar.into_new()), "http://h/", None), "a=2");
    }
}
