//! Stories of suites that are written from Hurl files, Postman collections and OpenAPI descriptions: they are valid, they
//! run, and what they lack is said.

use predicates::prelude::*;
use predicates::str::{contains, is_empty};

use crate::support::{PATIENCE, Place, Server, answer};

/// What a translation wrote.
struct Translated {
    place: Place,
    suite: String,
    stderr: String,
}

/// Translates a file, and checks the suite.
fn translate(args: &[&str], file: &str, text: &str, code: i32) -> Translated {
    let place = Place::with_suite("");
    common::fs::atomic::write(&place.path(file), text.as_bytes()).unwrap();
    let mut command = place.without_suite();
    command.args(args).arg(file);
    let assert = assert_cmd::Command::from_std(command).timeout(PATIENCE).assert().code(code);
    let output = assert.get_output();
    let [suite, stderr] =
        [&output.stdout, &output.stderr].map(|text| String::from_utf8(text.clone()).unwrap());
    common::fs::atomic::write(&place.path("smoke.toml"), suite.as_bytes()).unwrap();
    place.smoke(&["--check"]).code(0).stderr(is_empty());
    Translated { place, suite, stderr }
}

impl Translated {
    /// Runs the suite, with these variables.
    fn run(&self, base_url: &str, variables: &[(&str, &str)], code: i32) -> assert_cmd::assert::Assert {
        let mut command = self.place.command();
        command.args(["--base-url", base_url, "--format", "human"]).envs(variables.iter().copied());
        assert_cmd::Command::from_std(command).timeout(PATIENCE).assert().code(code)
    }
}

/// A shop with a login, orders and a page.
fn shop() -> Server {
    Server::start(|request| {
        let with = |status: u16, headers: &str, body: &str| {
            answer(status, body).replacen("connection:", &format!("{headers}connection:"), 1)
        };
        let json = "content-type: application/json; charset=utf-8\r\n";
        if request.starts_with("POST /login ") {
            with(
                201,
                &format!("{json}set-cookie: sid=abc; Path=/; HttpOnly\r\n"),
                r#"{"token":"t0k","user":{"id":7}}"#,
            )
        } else if request.starts_with("GET /orders/7?limit=2 ") {
            with(200, json, r#"{"items":[{"name":"scone","n":2},{"name":"tea","n":3}],"next":null}"#)
        } else if request.starts_with("GET /old ") {
            with(302, "location: /page\r\n", "")
        } else if request.starts_with("GET /page ") {
            with(200, "content-type: text/html\r\n", "<h1>Hello</h1>")
        } else if request.starts_with("GET /pets") {
            with(200, json, r#"{"id":1,"name":"Rex"}"#)
        } else {
            answer(404, "no such page")
        }
    })
}

const HURL: &str = r#"# log in
POST {{host}}/login
X-Request: {{run}}
Authorization: Bearer hunter-two
{
  "user": "me",
  "password": "hunter-three"
}

HTTP 201
Content-Type: application/json; charset=utf-8
[Captures]
token: jsonpath "$.token"
id: jsonpath "$.user.id"
[Asserts]
cookie "sid" == "abc"
cookie "sid[HttpOnly]" exists
header "x-debug" not exists
jsonpath "$.user.id" == 7
jsonpath "$.token" matches /^t\dk$/
duration < 60000

GET {{host}}/orders/{{id}}   # those of the user
Authorization: Bearer {{token}}
[Query]
limit: 2
[Options]
retry: 2

HTTP *
[Asserts]
status >= 200
status < 300
jsonpath "$.items" count == 2
jsonpath "$.items[0].name" startsWith "sco"
jsonpath "$.items[*].n" exists
jsonpath "$.next" == null
body not contains "error"

GET {{host}}/old
[Options]
location: true

HTTP 200
[Asserts]
body == "<h1>Hello</h1>"

GET {{host}}/missing
HTTP/1.1 404
`no such page`

PUT {{host}}/missing
[Multipart]
text: some text
file: file,part.txt; text/plain
[Query]
a: 1
a: 2
HTTP 404
[Asserts]
bytes count == 12
url endsWith "a=1&a=2"

POST {{host}}/login
file,part.txt;
HTTP 201
{ "user": { "id": 7 }, "token": "t0k" }
"#;

#[test]
fn a_hurl_file_becomes_a_suite_that_runs() {
    let shop = shop();
    let translated = translate(&["--from-hurl"], "shop.hurl", HURL, 0);
    let suite = &translated.suite;
    assert!(!suite.contains("hunter"), "{suite}");
    assert!(suite.contains("{{env.AUTHORIZATION}}") && suite.contains("{{env.PASSWORD}}"), "{suite}");
    for note in ["variable host: give its value as --base-url", "AUTHORIZATION, PASSWORD"] {
        assert!(translated.stderr.contains(note), "{}", translated.stderr);
    }
    common::fs::atomic::write(&translated.place.path("part.txt"), b"content").unwrap();
    let variables =
        [("HURL_VARIABLE_run", "42"), ("AUTHORIZATION", "hunter-two"), ("PASSWORD", "hunter-three")];
    translated.run(&shop.url, &variables, 0).stdout(contains("6 passed"));
    let requests = shop.requests();
    assert!(
        requests[0].contains("x-request: 42") && requests[0].contains("authorization: Bearer hunter-two")
    );
    assert!(requests[1].contains("authorization: Bearer t0k"), "{requests:?}");
    assert!(requests[1].contains("cookie: sid=abc"), "{requests:?}");
    assert!(requests.iter().any(|request| request.contains("multipart/form-data")), "{requests:?}");
    // As in Hurl, nothing is sent after a failure.
    let broken = translate(&["--from-hurl"], "shop.hurl", &HURL.replace("== 7", "== 8"), 0);
    broken.run(&shop.url, &variables, 1).stdout(contains("FAIL  log in").and(contains("5 skip")));
}

#[test]
fn what_a_suite_cannot_say_is_listed_with_its_line() {
    let text = "GET http://h/a\nHTTP/3 200\n[Asserts]\nxpath \"//p\" count == 2\nsha256 == hex,00;\nstatus == 200\n\n\
                POST http://h/b\n[Unheard]\nf: x\nHTTP 200\n\n\
                GET http://h/c\n[Options]\nproxy: p:1\nHTTP 200\n\nGET http://h/{{newUuid}}\nHTTP 200\n";
    let translated = translate(&["--from-hurl"], "x.hurl", text, 1);
    for line in [
        "x.hurl:4: not tested: the query xpath",
        "x.hurl:2: not tested: the version HTTP/3",
        "x.hurl:5: not tested: a checksum that is none",
        "x.hurl:9: no test for \"POST http://h/b\": the section [Unheard]",
        "x.hurl:15: the option proxy: p:1",
    ] {
        assert!(translated.stderr.contains(line), "{line}: {}", translated.stderr);
    }
    assert_eq!(translated.suite.matches("[[test]]").count(), 3);
    let place = Place::with_suite("");
    for (flag, text, says) in [
        ("--from-hurl", "HTTP 200\n", "line 1: expected a request"),
        ("--from-postman", "{}", "has no item"),
        ("--from-postman", "[", "not a Postman collection"),
        ("--from-openapi", "a: [", "not valid YAML"),
        ("--from-openapi", "{\"openapi\": \"3.0.0\", \"paths\": {}}", "no GET operation"),
        ("--from-openapi", "a: b", "not a description"),
    ] {
        common::fs::atomic::write(&place.path("bad"), text.as_bytes()).unwrap();
        let mut command = place.without_suite();
        let new = if flag == "--from-openapi" { Some("--new") } else { None };
        command.args(new).args([flag, "bad"]);
        let assert = assert_cmd::Command::from_std(command).assert().code(2).stdout(is_empty());
        assert.stderr(contains(says).and(contains("cannot read bad")));
    }
}

const POSTMAN: &str = r#"{
	"info": { "name": "Shop", "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json" },
	"auth": { "type": "bearer", "bearer": [{ "key": "token", "value": "{{token}}" }] },
	"variable": [{ "key": "baseUrl", "value": "http://shop.example" }, { "key": "limit", "value": "2" }],
	"item": [
		{ "name": "Users", "item": [{
			"name": "Log in",
			"event": [{ "listen": "test", "script": { "exec": [
				"pm.test(\"is created\", function () {",
				"    pm.response.to.have.status(201);",
				"});",
				"const data = pm.response.json();",
				"pm.test(\"has a user\", () => {",
				"    pm.expect(data.user.id).to.eql(7);",
				"    pm.expect(data.user).to.have.property('id');",
				"});",
				"pm.collectionVariables.set(\"token\", data.token);",
				"pm.environment.set('userId', data.user.id);",
				"if (data.admin) { pm.expect(1).to.eql(2) }"
			] } }],
			"request": {
				"method": "POST",
				"auth": { "type": "apikey", "apikey": [{ "key": "key", "value": "X-Key" }, { "key": "value", "value": "hunter-two" }, { "key": "in", "value": "header" }] },
				"header": [{ "key": "X-Old", "value": "1", "disabled": true }],
				"body": { "mode": "raw", "raw": "{ \"user\": \"me\", \"password\": \"hunter-three\" }", "options": { "raw": { "language": "json" } } },
				"url": { "raw": "{{baseUrl}}/login", "host": ["{{baseUrl}}"], "path": ["login"] }
			}
		}] },
		{
			"name": "Orders",
			"event": [{ "listen": "test", "script": { "exec": "pm.response.to.be.ok\npm.expect(pm.response.json().items).to.have.lengthOf(2);" } }],
			"request": { "method": "GET", "url": { "raw": "{{baseUrl}}/orders/:id?limit={{limit}}",
				"query": [{ "key": "limit", "value": "{{limit}}" }], "variable": [{ "key": "id", "value": "{{userId}}" }] } }
		},
		{ "name": "Upload", "request": { "method": "POST", "url": "{{baseUrl}}/up", "body": { "mode": "formdata", "formdata": [{ "key": "f", "type": "file" }] } } }
	]
}
"#;

#[test]
fn a_postman_collection_becomes_a_suite_that_runs() {
    let shop = shop();
    let translated = translate(&["--from-postman"], "shop.json", POSTMAN, 1);
    let Translated { suite, stderr, .. } = &translated;
    assert!(suite.starts_with("name = \"Shop\"\n") && !suite.contains("hunter"), "{suite}");
    for line in [
        "shop.json:19: \"Users / Log in\": not translated: if (data.admin) { pm.expect(1).to.eql(2) }",
        "shop.json:35: no test for \"Upload\": the files of f",
        "variable baseUrl: give its value, such as http://shop.example, as --base-url",
        "API_KEY, PASSWORD",
    ] {
        assert!(stderr.contains(line), "{line}: {stderr}");
    }
    let variables = [("API_KEY", "hunter-two"), ("PASSWORD", "hunter-three")];
    translated.run(&shop.url, &variables, 0).stdout(contains("2 passed"));
    let requests = shop.requests();
    assert!(requests[0].contains("x-key: hunter-two") && !requests[0].contains("x-old"), "{requests:?}");
    assert!(requests[1].contains("authorization: Bearer t0k"), "{requests:?}");
}

const OPENAPI: &str = r"openapi: 3.1.0
info: { title: Pets, version: '1' }
servers: [{ url: 'https://{zone}.example/v1', variables: { zone: { default: eu } } }]
security: [{ key: [] }]
paths:
  /pets:
    parameters:
      - $ref: '#/components/parameters/limit'
    get:
      operationId: listPets
      tags: [pets]
      responses:
        '200':
          description: all
          content: { application/json: { schema: { type: object, required: [id, name] } } }
    post: { responses: { '201': { description: new } } }
  /pets/{petId}:
    get:
      summary: One pet
      security: []
      parameters:
        - { name: petId, in: path, required: true, schema: { type: integer } }
        - { name: verbose, in: query, schema: { type: boolean } }
      responses: { 2XX: { $ref: '#/components/responses/pet' }, 404: { description: none } }
  /else:
    get:
      parameters: [{ $ref: 'other.yaml#/x' }]
      responses: {}
components:
  parameters:
    limit: { name: limit, in: query, required: true, schema: { type: integer, default: 10 } }
  responses:
    pet: { description: one, content: { application/json: { schema: { $ref: '#/components/schemas/pet' } } } }
  schemas:
    pet: { type: object, allOf: [{ required: [name] }] }
  securitySchemes:
    key: { type: apiKey, in: header, name: X-Api-Key }
";

#[test]
fn a_description_becomes_a_suite_with_each_get_operation() {
    let shop = shop();
    let translated = translate(&["--new", "--from-openapi"], "pets.yaml", OPENAPI, 1);
    let Translated { suite, stderr, .. } = &translated;
    assert_eq!(suite.matches("[[test]]").count(), 2, "{suite}");
    assert!(suite.contains("tags = [\"pets\"]") && suite.contains("{{env.PET_ID}}"), "{suite}");
    assert!(stderr.contains("pets.yaml:25: no test for \"GET /else\""), "{stderr}");
    assert!(stderr.contains("the description says https://eu.example/v1"), "{stderr}");
    let variables = [("KEY", "hunter-two"), ("PET_ID", "1")];
    translated.run(&shop.url, &variables, 0).stdout(contains("2 passed"));
    let requests = shop.requests();
    let find = |start: &str| requests.iter().find(|request| request.starts_with(start)).unwrap();
    assert!(find("GET /pets?limit=10 ").contains("x-api-key: hunter-two"), "{requests:?}");
    assert!(!find("GET /pets/1 ").contains("hunter"), "{requests:?}");

    let swagger = r#"{"swagger": "2.0", "host": "h", "basePath": "/v2", "produces": ["application/json"], "paths":
        {"/pets": {"get": {"responses": {"200": {"schema": {"required": ["id"]}}}, "parameters":
        [{"name": "kind", "in": "query", "required": true, "type": "string", "enum": ["dog"]}]}}}}"#;
    let translated = translate(&["--new", "--from-openapi"], "pets.json", swagger, 0);
    translated.run(&shop.url, &[], 0).stdout(contains("1 passed"));
    assert!(shop.requests().iter().any(|request| request.starts_with("GET /pets?kind=dog ")));
}

/// As Postman exports it: folders in folders, authentication that is inherited, behaviour, and forms with several values.
const FOLDERS: &str = r#"{ "info": { "name": "Shop", "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json" },
  "auth": { "type": "bearer", "bearer": [{ "key": "token", "value": "{{token}}", "type": "string" }] },
  "variable": [{ "key": "base", "value": "https://shop.example" }, { "key": "token", "value": "hush-hush-hush" }],
  "item": [
    { "name": "Pages", "item": [{ "name": "Old ones", "item": [
      { "name": "moved", "protocolProfileBehavior": { "followRedirects": false, "strictSSL": false },
        "event": [{ "listen": "test", "script": { "exec": ["pm.test('moved', () => { pm.response.to.have.status(302); });"] } }],
        "request": { "auth": { "type": "noauth" }, "method": "GET", "header": [], "url": { "raw": "{{base}}/old" } } } ] }] },
    { "name": "upload", "request": { "auth": { "type": "oauth2", "oauth2": [{ "key": "accessToken", "value": "{{access}}" }] },
        "method": "POST", "body": { "mode": "formdata", "formdata": [
          { "key": "photo", "type": "file", "src": ["a.png"] }, { "key": "tag", "value": "a" }, { "key": "tag", "value": "b" } ] },
        "url": { "raw": "{{base}}/page" } } },
    { "name": "random", "request": { "method": "GET", "url": "{{base}}/pets?n={{$randomInt}}" } },
    { "name": "signed", "request": { "auth": { "type": "awsv4" }, "method": "GET", "url": "{{base}}/page" } }
  ] }"#;

#[test]
fn a_collection_is_sent_as_postman_would() {
    let translated = translate(&["--from-postman"], "shop.json", FOLDERS, 1);
    for problem in [
        "no test for \"random\": the generated value $randomInt",
        "no test for \"signed\": the authentication awsv4",
    ] {
        assert!(translated.stderr.contains(problem), "{}", translated.stderr);
    }
    assert!(!translated.suite.contains("hush-hush"), "{}", translated.suite);
    for part in [
        "name = \"Pages / Old ones / moved\"",
        "tls = { insecure = true }",
        "bearer = \"{{env.ACCESS}}\"",
        "photo = { file = \"a.png\" }, tag = [\"a\", \"b\"]",
    ] {
        assert!(translated.suite.contains(part), "{part}: {}", translated.suite);
    }
    // A redirect that is not followed is what this test is about.
    let moved = translated.suite.lines().find(|line| line.contains("/old")).unwrap();
    assert!(!moved.contains("redirects") && !moved.contains("bearer"), "{moved}");
    common::fs::atomic::write(&translated.place.path("a.png"), b"png").unwrap();
    translated.run(&shop().url, &[("ACCESS", "t0k")], 0).stdout(contains("2 passed"));
}

const MUSEUM: &str = "openapi: 3.1.0
info: { title: Museum, version: 1.0.0 }
servers: [{ url: 'https://{env}.example.com/v1', variables: { env: { default: api } } }]
paths:
  /pets/{path}:
    parameters: [{ name: path, in: path, required: true, schema: { type: string } }]
    get:
      operationId: getPet
      parameters:
        - { name: ids, in: query, required: true, schema: { type: array, items: { type: integer }, example: [1, 2] } }
        - { name: sizes, in: query, required: true, explode: false, schema: { type: array, default: [s, m] } }
      responses:
        2XX: { description: ok, content: { 'application/json; charset=UTF-8': { schema: { $ref: '#/components/schemas/Pet' } } } }
  /elsewhere: { $ref: './elsewhere.yaml' }
components: { schemas: { Pet: { type: object, required: [id] } } }
";

#[test]
fn a_description_gives_lists_and_takes_no_variable_of_the_machine() {
    let translated = translate(&["--new", "--from-openapi"], "museum.yaml", MUSEUM, 1);
    assert!(
        translated.stderr.contains("the reference ./elsewhere.yaml leads into another file"),
        "{}",
        translated.stderr
    );
    assert!(translated.stderr.contains("https://api.example.com/v1"), "{}", translated.stderr);
    for part in [
        "/pets/{{env.PATH_VALUE}}",
        "ids = [\"1\", \"2\"]",
        "sizes = \"s,m\"",
        "contains = [\"application/json\"]",
    ] {
        assert!(translated.suite.contains(part), "{part}: {}", translated.suite);
    }
    translated.run(&shop().url, &[("PATH_VALUE", "rex")], 0).stdout(contains("1 passed"));
}
