//! Any file is translated or refused, and what is translated is a suite.

use proptest::prelude::*;

use super::*;

/// The suite of a text, and the number of problems.
fn suite(language: Language, text: &str) -> (String, usize) {
    let (suite, draft) = translate(language, text).unwrap().finish();
    assert!(suite.parse::<toml::Table>().is_ok(), "{suite}");
    (suite, draft.problems.len())
}

#[test]
fn a_test_that_inserts_what_nobody_captures_is_left_out() {
    let hurl = "GET http://h/a\nHTTP 200\n[Captures]\nt: xpath \"//a\"\nu: jsonpath \"$.u\"\n\nGET http://h/{{u}}\nHTTP 200\n\n\
                GET http://h/b\nHTTP 200\n";
    let (text, problems) = suite(Language::Hurl, hurl);
    assert_eq!((text.matches("[[test]]").count(), problems), (3, 1), "{text}");
    let postman = r#"{"info": {"name": "c"}, "item": [
        {"name": "a", "request": {"url": "http://h/", "auth": {"type": "digest"}},
         "event": [{"listen": "test", "script": {"exec": "pm.environment.set('x', pm.response.json().x)"}}]},
        {"name": "b", "request": "http://h/{{x}}"}]}"#;
    let (text, problems) = suite(Language::Postman, postman);
    assert_eq!((text.matches("[[test]]").count(), problems), (1, 1), "{text}");
}

#[test]
fn equal_names_are_numbered_and_braces_are_escaped() {
    let (text, problems) =
        suite(Language::Hurl, "# a\nGET http://h/\n\n# a\nGET http://h/\n\n# {{x}}\nGET http://h/\n");
    assert_eq!(problems, 0);
    for name in ["name = \"a\"", "name = \"a (2)\"", "{{\"{{\"}}x}}"] {
        assert!(text.contains(name), "{name}: {text}");
    }
}

proptest! {
    #[test]
    fn any_hurl_file_is_translated_or_refused(
        text in "(GET http://h/\n|HTTP 200\n|\\[(Asserts|Captures|Options|Form|Cookies)\\]\n|a: b\n|jsonpath \"\\$\\.a\" == 1\n|\\{\\{a\\}\\}|\\PC{0,8}\n){0,20}"
    ) {
        if let Ok(draft) = translate(Language::Hurl, &text) {
            let (suite, _) = draft.finish();
            prop_assert!(suite.parse::<toml::Table>().is_ok(), "{}", suite);
        }
    }

    #[test]
    fn any_collection_is_translated_or_refused(name in "\\PC{0,8}", url in "\\PC{0,20}", line in "\\PC{0,40}") {
        let collection = serde_json::json!({ "item": [{ "name": name, "request": { "url": url,
            "header": [{ "key": line, "value": url }] },
            "event": [{ "listen": "test", "script": { "exec": [line] } }] }] });
        if let Ok(draft) = translate(Language::Postman, &collection.to_string()) {
            let (suite, _) = draft.finish();
            prop_assert!(suite.parse::<toml::Table>().is_ok(), "{}", suite);
        }
    }
}
