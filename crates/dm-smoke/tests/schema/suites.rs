//! Suites that are valid, and suites that are not.

use dm_smoke::EXAMPLE;

fn test(rest: &str) -> String {
    format!("[[test]]\nname = 'a'\n{rest}")
}

fn http(expect: &str) -> String {
    test(&format!("http = {{ url = '/' }}\nexpect = {{ {expect} }}"))
}

fn command(expect: &str) -> String {
    test(&format!("command = ['x']\nexpect = {{ {expect} }}"))
}

/// Files, tests and requests.
pub(super) fn tests() -> Vec<String> {
    vec![
        EXAMPLE.to_owned(),
        String::new(),
        test("command = ['x', '']"),
        test("http = { url = '/', json = 'text' }"),
        "nam = 'x'".to_owned(),
        "name = ''".to_owned(),
        "test = 3".to_owned(),
        "[[test]]\ncommand = ['x']".to_owned(),
        "[[test]]\nname = ' '\ncommand = ['x']".to_owned(),
        test(""),
        test("comand = ['x']"),
        test("command = []"),
        test("command = ['']"),
        test("command = 'x'"),
        test("command = ['x']\nhttp = { url = '/' }"),
        test("command = ['x']\ntimeout = 5"),
        test("command = ['x']\ntimeout = '5'"),
        test("command = ['x']\nretries = 21"),
        test("command = ['x']\ntags = 3"),
        test("command = ['x']\ncapture = { a = '$.a' }"),
        test("http = {}"),
        test("http = { uri = '/' }"),
        test("http = { url = '/', method = 'get' }"),
        test("http = { url = '/', headers = { a = 3 } }"),
        test("http = { url = '/', body = '', form = {} }"),
        test("http = { url = '/', redirects = 101 }"),
        test("http = { url = '/' }\nenv = { A = 'b' }"),
        test("http = { url = '/' }\ncapture = { a = {} }"),
        test("http = { url = '/' }\ncapture = { a = 'b' }"),
        test("http = { url = '/' }\ncapture = { 'a b' = '$' }"),
        "[defaults]\nheaders = { a = 'b' }\nbearer = 'x'".to_owned(),
        test("http = { url = '/', basic_auth = { user = 'a', password = '{{env.B}}' } }"),
        "[defaults]\nbearer = 'x'\nbasic_auth = { user = 'a', password = 'b' }".to_owned(),
        "[defaults]\ncookie = 'x'".to_owned(),
        "[defaults]\ncookies = true\ncompressed = true\nhttp_version = '2'\nconnect_to = '10.0.0.7:8443'\ntls = { ca = 'ca.pem', cert = 'c.pem', key = 'c.key', name = 'api.example', insecure = true }".to_owned(),
        test("http = { url = '/', connect_to = { 'a:80' = '[::1]:81' } }"),
        test("http = { url = '/', form = { a = ['b', 'c'] }, query = { a = ['b', 'c'] } }"),
        test("http = { url = '/', body = { file = 'x' }, method = 'PURGE', unix_socket = '/run/x' }"),
        test("http = { url = '/', body = { base64 = 'AA==' } }\ncapture = { a = { json = '$.a', regex = 'b' }, c = { cookie = 'd' } }"),
        test("http = { url = '/', multipart = { a = 'b', c = { file = 'd', type = 'e/f' }, g = [{ text = 'h', filename = 'i' }] } }"),
        test("http = { url = '/', multipart = { a = { file = 'b', text = 'c' } } }"),
        test("http = { url = '/', multipart = { a = { file = 'b', type = 'c' } } }"),
        test("http = { url = '/', multipart = {}, json = 1 }"),
        test("http = { url = '/', body = {} }"),
        test("http = { url = '/', body = { file = '' } }"),
        test("http = { url = '/', cookies = 'yes' }"),
        test("http = { url = '/', http_version = '3' }"),
        test("http = { url = '/', connect_to = 'a b' }"),
        test("http = { url = '/', connect_to = 'a', unix_socket = 'b' }"),
        test("http = { url = '/', tls = { key = 'a' } }"),
        test("http = { url = '/', tls = { name = '' } }"),
        test("http = { url = '/' }\ncapture = { a = { json = '$.a', header = 'b' } }"),
        test("http = { url = '/', basic_auth = { user = 'a' } }"),
        test("command = ['x']\nuntil = '30s'\ninterval = '2s'"),
        test("http = { url = '/', trust_redirects = true, rate = 1000 }\ndelay = '1s'\nexpect = { redirects = ['a', 'b'] }"),
        test("http = { url = 'wss://h/', websocket = { send = ['a'] } }\nexpect = { message = [{ contains = 'a', json = '$.b' }, {}] }"),
        test("http = { url = '/', websocket = { receive = 'a' } }"),
        test("command = ['x']\nuntil = 30"),
        test("command = ['x']\ninterval = '2s'"),
        test("command = ['x']\nuntil = '3s'\nretries = 1"),
        "[[test]]\nname = 'a {{row.b}}'\ncommand = ['{{row.c}}']\neach = [{ b = 'x', c = 1.5 }, { b = true, c = 2 }]".to_owned(),
        "[[test]]\nname = 'a {{row.b}}'\nhttp = { url = '/{{row.b}}' }\nexpect = { status = '{{row.b}}' }\neach = [{ b = 200 }]".to_owned(),
        test("command = ['x']\neach = [{ b = 'x' }]"),
        "[[test]]\nname = 'a {{row.b}}'\ncommand = ['x']\neach = []".to_owned(),
        "[[test]]\nname = 'a {{row.b}}'\ncommand = ['x']\neach = [{ b = [] }]".to_owned(),
        "[[test]]\nname = 'a {{row.b}}'\ncommand = ['x']\neach = [{ 'b c' = 1 }]".to_owned(),
        "[[setup]]\nname = 'a'\ncommand = ['x']\n[[teardown]]\nname = 'b'\ncommand = ['x']".to_owned(),
        "[[setup]]\nname = 'a'".to_owned(),
        "teardown = 1".to_owned(),
        "include = 3".to_owned(),
        "include = ['']".to_owned(),
    ]
}

/// Expectations.
pub(super) fn expectations() -> Vec<String> {
    vec![
        http("status = ['2xx', 404]"),
        http("json = '$.a'"),
        http("status = 42"),
        http("status = '20x'"),
        http("status = []"),
        http("body_contains = ''"),
        http("body_matches = ''"),
        http("json = []"),
        http("headers = { a = {} }"),
        http("headers = { a = { contains = 'x', matches = ['y', 'z'], not_contains = 'a' } }"),
        http("headers = { a = { absent = true }, b = ['x', 'y'] }"),
        http("body_contains = ['a', 'b'], body_not_matches = 'c', json_absent = '$.a'"),
        command("stderr_not_contains = 'a', stdout_not_matches = ['b']"),
        http("headers = { a = { absent = false } }"),
        http("headers = { a = { absent = true, contains = 'x' } }"),
        http("redirects = []"),
        http("message = { event = 'x', matches = 'y' }"),
        http("message = []"),
        http("message = { data = 'x' }"),
        http("headers = { a = [] }"),
        http("headers = { a = { count = 2, contains = 'x' }, b = { present = true } }"),
        http("headers = { a = { present = false } }"),
        http("headers = { a = { count = 1000 } }"),
        http(
            "cookies = { a = 'b', c = { absent = true }, d = { contains = 'e', secure = true, http_only = false, same_site = 'Lax', path = '/', domain = 'f', max_age = 60 } }",
        ),
        http("cookies = { a = {} }"),
        http("cookies = { a = { same_site = 'lax' } }"),
        http("cookies = { a = { absent = false } }"),
        http("body_equals = '', body_file = 'a', body_size = { min = 1, max = 2 }, sha256 = '{{env.SUM}}'"),
        http("body_equals = [], body_size = 3"),
        http("body_size = -1"),
        http("body_size = {}"),
        http("body_size = '3'"),
        http("sha256 = 'abc'"),
        http(
            "http_version = '2', redirects = 2, url = { matches = 'x' }, certificate = { min_days = 14, issuer = 'a', subject = { contains = 'b' } }",
        ),
        http("http_version = '3'"),
        http("redirects = 101"),
        http("url = {}"),
        http("certificate = {}"),
        http("certificate = { min_days = '14' }"),
        http("json_absent = ['']"),
        http("body_contains = []"),
        http("json = 3"),
        http("exit = 0"),
        command("status = 200"),
        command("exit = 256"),
        command("stdout_contains = ''"),
    ]
}
