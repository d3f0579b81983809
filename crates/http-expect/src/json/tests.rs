use super::*;

use proptest::prelude::*;
use serde_json::json;

fn check(expectation: &str, document: &Value) -> Result<(), String> {
    expectation
        .parse::<JsonExpectation>()
        .unwrap_or_else(|error| panic!("{expectation}: {error}"))
        .check(document)
        .map_err(|mismatch| mismatch.describe(str::to_owned))
}

#[test]
fn every_operator_can_be_met() {
    let document = json!({
        "status": "ok", "version": "1.4.2", "count": 3, "share": 0.5, "big": 9_007_199_254_740_993_u64,
        "none": null, "tags": ["a", "b"], "items": [{"name": "scone", "n": 2}, {"name": "tea", "n": 7}],
    });
    for expectation in [
        "$.status",
        "$.none",
        r#"$.status == "ok""#,
        r#"  $.status=="ok"  "#,
        r#"$.status != "down""#,
        "$.count == 3.0",
        "$.count >= 3",
        "$.count<=3",
        "$.count < 3.5",
        r#"$.version !~ "^2""#,
        "$.count is integer",
        "$.count is  number ",
        "$.share is not integer",
        "$.none is null",
        "$.tags[*] is string",
        "$.tags is array",
        "$.items[0] is object",
        "$.items is not empty",
        "$.tags length == 2",
        "$.version length >= 5",
        "$.items[*].n count == 2",
        "$.missing count == 0",
        "$.items[?@.n > 2] count <= 1",
        "$.share > 0",
        "$.big == 9007199254740993",
        "$.big != 9007199254740992",
        "$.none == null",
        r#"$.tags == ["a", "b"]"#,
        r#"$.items[0] == {"n": 2.0, "name": "scone"}"#,
        r#"$.items[?@.name == "tea"].n == 7"#,
        r"$.items[?@.n >= 7]",
        "$.items[*].n > 1",
        r#"$.version =~ "^1\\.4\\.""#,
        r#"$.version >= "1.4""#,
    ] {
        assert_eq!(check(expectation, &document), Ok(()), "{expectation}");
    }
}

#[test]
fn a_mismatch_names_the_value_and_the_expectation() {
    let document = json!({ "status": "down", "n": [1, 2], "text": "x".repeat(5000), "bidi": "\u{202e}" });
    let table = [
        (r#"$.status == "ok""#, r#""down" found, expected $.status == "ok""#),
        ("$.missing", "nothing found, expected $.missing"),
        // A missing value does not count as unequal.
        ("$.missing != 3", "nothing found, expected $.missing != 3"),
        // All values have to match, not one of them.
        ("$.n[*] == 1", "2 found, expected $.n[*] == 1"),
        // Values of different types have no order.
        ("$.status > 3", r#""down" found, expected $.status > 3"#),
        (r#"$.n =~ "1""#, r#"[1,2] found, expected $.n =~ "1""#),
        ("$.n count == 2", "1 value found, expected $.n count == 2"),
        ("$.n length > 2", "[1,2] found, expected $.n length > 2"),
        ("$.n is not array", "[1,2] found, expected $.n is not array"),
        ("$.missing is string", "nothing found, expected $.missing is string"),
        ("$.n !~ \"1\"", "[1,2] found, expected $.n !~ \"1\""),
        ("$.bidi == 1", r#""\u{202e}" found, expected $.bidi == 1"#),
    ];
    for (expectation, expected) in table {
        assert_eq!(check(expectation, &document), Err(expected.to_owned()));
    }
    let long = check("$.text == 1", &document).unwrap_err();
    assert!(long.contains("x… found") && long.len() < 300, "{long}");
}

#[test]
fn an_invalid_expectation_is_rejected_with_its_cause() {
    let table = [
        ("status", "not a JSONPath: it does not begin with $"),
        ("$.a[", "not a JSONPath: "),
        ("$.status = \"ok\"", "not a JSONPath: "),
        ("$.status == ok", "ok after == is not JSON; a string needs double quotes"),
        ("$.status ==", " after == is not JSON"),
        ("$.n =~ 3", "=~ takes a regular expression"),
        ("$.n =~ \"(\"", "regex parse error: ( ^ error: unclosed group"),
        ("$.n !~ 3", "!~ takes a regular expression"),
        ("$.n is nothing", "nothing is not one of array, boolean"),
        ("$.n count 3", "3 is not a comparison with a number"),
        ("$.n length =~ 3", "=~ 3 is not a comparison with a number"),
        ("$.n < null", "< compares numbers or strings, not null"),
    ];
    for (text, expected) in table {
        let error = text.parse::<JsonExpectation>().map(|_| ()).unwrap_err();
        assert!(error.starts_with(expected), "{text}: {error}");
    }
    assert!(format!("$.{}", "a".repeat(2000)).parse::<JsonExpectation>().is_err());
    assert!(format!("$[?@{}", "[?@".repeat(30)).parse::<JsonExpectation>().is_err());
    assert!(format!("$.q == \"{}\"", "?".repeat(30)).parse::<JsonExpectation>().is_ok());
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in r#"\PC{0,60}|[$.\[\]?@=!<>~"' a0()*,:&|]{0,40}"#) {
        if let Err(error) = text.parse::<JsonExpectation>() {
            prop_assert!(!error.contains('\n'), "{}", error);
        }
    }

    #[test]
    fn a_member_equals_itself_and_no_other(key in "[a-z]{1,8}", value in any::<i64>()) {
        let document = json!({ key.as_str(): value });
        prop_assert_eq!(check(&format!("$.{key} == {value}"), &document), Ok(()));
        let other = check(&format!("$.{key} != {value}"), &document);
        prop_assert!(other.is_err());
    }
}
