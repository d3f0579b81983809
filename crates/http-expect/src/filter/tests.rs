//! What filters make of values.

use std::sync::LazyLock;

use http::HeaderMap;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::bound::TOO_LONG;
use super::*;
use crate::coding::MAX_BODY_BYTES;
use crate::response::Response;
use crate::source::{Part, Source};

fn named(name: &str) -> Filter {
    Filter::PLAIN.into_iter().find(|(known, _)| *known == name).unwrap().1
}

fn text(filter: &Filter, value: impl Into<Datum>) -> String {
    filter.apply(&value.into()).unwrap().into_text()
}

fn json(filter: &Filter, value: Value) -> Result<Value, String> {
    filter.apply(&Datum::Json(value)).map(Datum::into_json)
}

#[test]
fn bytes_and_texts_are_encoded_and_decoded() {
    let decode = |text: &str| named("base64_decode").apply(&text.into());
    let russian = decode("0YjQtdC70LvRiw==").unwrap();
    assert_eq!(russian, Datum::Bytes("шеллы".into()));
    assert_eq!(named("to_hex").apply(&russian).unwrap(), "d188d0b5d0bbd0bbd18b".into());
    assert_eq!(named("base64_encode").apply(&russian).unwrap(), "0YjQtdC70LvRiw==".into());
    assert_eq!(named("base64url_encode").apply(&russian).unwrap(), "0YjQtdC70LvRiw".into());
    // Both alphabets, with and without padding.
    for written in ["PDw_Pz8-Pg", "PDw/Pz8+Pg==", "PDw_Pz8-Pg=="] {
        assert_eq!(decode(written).unwrap(), Datum::Bytes(b"<<???>>".to_vec()));
    }
    assert_eq!(decode("?").unwrap_err(), "base64_decode: the text is not Base64");
    let gb = Encoding::for_label(b"gb2312").unwrap();
    let bytes = Filter::Encode(gb).apply(&"你好".into()).unwrap();
    assert_eq!(bytes, Datum::Bytes(b"\xc4\xe3\xba\xc3".to_vec()));
    assert_eq!(Filter::Decode(gb).apply(&bytes).unwrap(), "你好".into());
    let utf8 = Filter::Decode(encoding_rs::UTF_8);
    assert!(utf8.apply(&bytes).unwrap_err().contains("the bytes are not UTF-8"));
    let latin = Filter::Encode(encoding_rs::WINDOWS_1252);
    assert!(latin.apply(&"你".into()).unwrap_err().contains("cannot write"));
}

#[test]
fn texts_are_escaped_replaced_and_matched() {
    assert_eq!(text(&named("html_escape"), "a > b && a < c"), "a &gt; b &amp;&amp; a &lt; c");
    let unescape = named("html_unescape");
    assert_eq!(text(&unescape, "a &gt; b &amp;&amp; &nosuch; & &"), "a > b && &nosuch; & &");
    assert_eq!(text(&unescape, "&copy; &#xA9; &#X1D306; &#9731;&eacute;"), "© © 𝌆 ☃é");
    assert_eq!(text(&unescape, "&#65 foo &#; &#x110000;"), "A foo &#; &#x110000;");
    let url = "https://mozilla.org/?x=шеллы";
    let encoded = "https%3A//mozilla.org/%3Fx%3D%D1%88%D0%B5%D0%BB%D0%BB%D1%8B";
    assert_eq!(text(&named("url_encode"), url), encoded);
    assert_eq!(text(&named("url_decode"), encoded), url);
    let parameter = Filter::QueryParameter("x".to_owned());
    assert_eq!(text(&parameter, url), "шеллы");
    assert_eq!(text(&parameter, "/a?y=1&x=a+b%21#x=2"), "a b!");
    assert!(parameter.apply(&"/a?y=1".into()).is_err());
    let replace = |from: &str, to: &str| Filter::Replace(from.to_owned(), to.to_owned());
    assert_eq!(text(&replace(", ", "|"), "a, b, c"), "a|b|c");
    assert_eq!(text(&replace("\\d", "x"), "123"), "123");
    let regex = |regex: &str| Regex::new(regex).unwrap();
    assert_eq!(text(&Filter::ReplaceRegex(regex(r"(\d)"), "<$1>".to_owned()), "a12"), "a<1><2>");
    assert_eq!(text(&Filter::Regex(regex("Hello (.*)!")), "Hello Bob!"), "Bob");
    assert_eq!(text(&Filter::Regex(regex("[0-9]+")), "a12b"), "12");
    assert!(Filter::Regex(regex("x")).apply(&"a".into()).unwrap_err().contains("nothing matches"));
}

#[test]
fn lists_and_json_have_items() {
    let list = json!([1, "b", null]);
    assert_eq!(json(&named("count"), list.clone()), Ok(json!(3)));
    assert_eq!(json(&named("first"), list.clone()), Ok(json!(1)));
    assert_eq!(json(&named("last"), list.clone()), Ok(json!(null)));
    assert_eq!(json(&Filter::Nth(1), list.clone()), Ok(json!("b")));
    assert_eq!(json(&Filter::Nth(-2), list.clone()), Ok(json!("b")));
    for outside in [3, -4, i64::MIN, i64::MAX] {
        assert_eq!(json(&Filter::Nth(outside), list.clone()).unwrap_err(), "nth: the list has 3 items");
    }
    assert_eq!(json(&named("count"), json!("abc")).unwrap_err(), "count: the value is not a list");
    let split = Filter::Split(", ".to_owned());
    assert_eq!(json(&split, json!("a, b")), Ok(json!(["a", "b"])));
    let path = |path: &str| Filter::Json(path.parse().unwrap());
    assert_eq!(json(&path("$.a"), json!("{\"a\":[1]}")), Ok(json!([1])));
    assert_eq!(json(&path("$[*].a"), json!([{"a": 1}, {"a": 2}])), Ok(json!([1, 2])));
    assert!(json(&path("$.b"), json!({})).unwrap_err().contains("nothing found"));
    assert!(json(&path("$.b"), json!("{")).unwrap_err().contains("not JSON"));
}

#[test]
fn numbers_and_dates_are_read() {
    assert_eq!(json(&named("to_int"), json!("123")), Ok(json!(123)));
    assert_eq!(json(&named("to_int"), json!(-1.6)), Ok(json!(-1)));
    assert_eq!(json(&named("to_int"), json!(u64::MAX)), Ok(json!(u64::MAX)));
    assert_eq!(json(&named("to_float"), json!("3.5")), Ok(json!(3.5)));
    for bad in [json!("1.5x"), json!("NaN"), json!(null), json!([1]), json!(1e300)] {
        assert!(json(&named("to_int"), bad.clone()).is_err(), "{bad}");
    }
    assert!(json(&named("to_float"), json!("inf")).is_err());
    let date = |format: &str| format.parse::<DateFormat>();
    let parse = |format: &str, written: &str| Filter::ParseDate(date(format).unwrap()).apply(&written.into());
    assert_eq!(parse("%d.%m.%Y %H:%M", "31.01.2030 12:05").unwrap(), "2030-01-31T12:05:00Z".into());
    assert_eq!(parse("%d/%m/%Y", "31/01/2030").unwrap(), "2030-01-31T00:00:00Z".into());
    assert_eq!(parse("%Y-%m-%dT%H:%M%z", "2030-01-31T12:00+0200").unwrap(), "2030-01-31T10:00:00Z".into());
    assert!(parse("%d/%m/%Y", "2030").is_err());
    let year = Filter::FormatDate(date("%Y").unwrap());
    for written in ["Wed, 21 Oct 2015 07:28:00 GMT", "2015-10-21T07:28:00Z"] {
        assert_eq!(text(&year, written), "2015");
    }
    assert!(date("%Q").is_err());
}

#[test]
fn a_text_that_grows_too_long_is_refused() {
    let long = "&".repeat(MAX_BODY_BYTES / 2);
    for filter in [
        named("html_escape"),
        named("url_encode"),
        Filter::Replace("&".to_owned(), "x".repeat(100)),
        Filter::ReplaceRegex(Regex::new("&").unwrap(), "x".repeat(100)),
    ] {
        assert!(filter.apply(&long.as_str().into()).unwrap_err().ends_with(TOO_LONG), "{filter:?}");
    }
    let split = Filter::Split("&".to_owned());
    assert!(split.apply(&long.as_str().into()).unwrap_err().contains("more than 10000 parts"));
}

#[test]
fn a_source_is_one_value_or_a_list() {
    let headers = [("x-fruit", "Banana"), ("x-fruit", "Lemon"), ("set-cookie", "a=b; Path=/")];
    let headers: HeaderMap =
        headers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).into_iter().collect();
    let response = Response::new(201, headers, b"{\"t\":\"eyJhIjoxfQ\",\"n\":null}".to_vec(), false);
    let source = |part: Part, filters: &[Filter]| Source { part, regex: None, filters: filters.to_vec() };
    let fruits = Part::Header("x-fruit".parse().unwrap());
    assert_eq!(source(fruits.clone(), &[]).text(&response).unwrap(), "Banana");
    assert_eq!(source(fruits.clone(), &[]).value(&response).unwrap().into_text(), "[\"Banana\",\"Lemon\"]");
    assert_eq!(source(fruits, &[named("count")]).text(&response).unwrap(), "2");
    let path = |path: &str| Part::Json(path.parse().unwrap());
    let claims = [named("base64_decode"), Filter::Json("$.a".parse().unwrap())];
    assert_eq!(source(path("$.t"), &claims).text(&response).unwrap(), "1");
    assert!(source(path("$.n"), &[]).text(&response).is_err());
    assert!(source(path("$.x"), &claims).text(&response).unwrap_err().contains("no such JSON value"));
    assert_eq!(source(Part::Cookie("a".to_owned()), &[]).text(&response).unwrap(), "b");
    assert_eq!(source(Part::Status, &[]).text(&response).unwrap(), "201");
    let matched = Source {
        part: Part::Body,
        regex: Some(regex::bytes::Regex::new("n.:(.*)}").unwrap()),
        filters: vec![],
    };
    assert_eq!(matched.text(&response).unwrap(), "null");
}

/// One of each.
static FILTERS: LazyLock<Vec<Filter>> = LazyLock::new(|| {
    let regex = Regex::new("(a|.)").unwrap();
    let date = |format: &str| format.parse::<DateFormat>().unwrap();
    let with_argument = [
        Filter::Decode(encoding_rs::SHIFT_JIS),
        Filter::Encode(encoding_rs::GB18030),
        Filter::FormatDate(date("%c %s %j")),
        Filter::ParseDate(date("%Y-%m-%d")),
        Filter::ParseDate(date("%s")),
        Filter::Json("$..*".parse().unwrap()),
        Filter::Nth(i64::MIN),
        Filter::Nth(1),
        Filter::QueryParameter("x".to_owned()),
        Filter::Regex(regex.clone()),
        Filter::Replace("a".to_owned(), "aa".to_owned()),
        Filter::ReplaceRegex(regex, "$1$0${x}".to_owned()),
        Filter::Split("a".to_owned()),
    ];
    Filter::PLAIN.into_iter().map(|(_, filter)| filter).chain(with_argument).collect()
});

proptest! {
    #[test]
    fn no_input_panics(
        text in "\\PC{0,40}|[&#;xX0-9a-z%+/=-]{0,40}|.{0,20}|[0-9T:Z+-]{0,25}",
        bytes in any::<Vec<u8>>(),
        one in 0..FILTERS.len(),
        other in 0..FILTERS.len(),
    ) {
        let list = serde_json::from_str(&text).unwrap_or_else(|_| json!([text.clone(), 1]));
        for value in [Datum::from(text.as_str()), Datum::Bytes(bytes), Datum::Json(list)] {
            if let Ok(made) = FILTERS[one].apply(&value) {
                let _ = FILTERS[other].apply(&made);
            }
        }
    }

    #[test]
    fn what_is_decoded_is_what_was_encoded(text in "\\PC{0,40}") {
        for (there, back) in
            [("base64_encode", "base64_decode"), ("base64url_encode", "base64_decode"), ("url_encode", "url_decode"), ("html_escape", "html_unescape")]
        {
            let encoded = named(there).apply(&text.as_str().into()).unwrap();
            prop_assert_eq!(named(back).apply(&encoded).unwrap().into_text(), text.clone());
        }
    }
}
