// Answers as the server of hurl's integration tests does, and refuses (400) what it should not get.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { isDeepStrictEqual as same } from 'node:util'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'

const encoded = (charset, hex) => [200, { 'content-type': `text/html; ${charset}` }, Buffer.from(hex, 'hex')]
const cafe = 'caf\u00e9'
const html = text => `<p>${text}</p>`
const films = [{ title: 'A New Hope', director: 'George Lucas' }, { title: 'The Empire Strikes Back' }]
const check = isGood => [isGood ? 200 : 400, {}, '']
const found = (location, status = 302) => [status, { location }, '']
const local = path => `http://127.0.0.1:${port}${path}`
const bob = { name: 'Bob', password: "&secret\\'<>", age: 30, strict: true, spacing: '\n', g_clef: '\u{1D11E}', items: [true, 'true', 1] }
const xml = `<drink>${cafe}</drink>`
const csv = 'name,age\nbob,10\nbill,22\n'
const isAuthorized = request => request.headers.authorization === 'Basic Ym9iQGVtYWlsLmNvbTpzZWNyZXQ='
const type = (request, expected) => check(request.headers['content-type']?.startsWith(expected))
const coded = (coding, content) => [200, { 'content-type': 'text/html; charset=utf-8', 'content-encoding': coding }, content]
const cookies = request => request.headers.cookie ?? ''
const types = [
  ['null', null], ['true', true], ['fourty_two', 42], ['zero', 0], ['one_trillion', 1e12], ['one_hundredth', 0.01], ['hello', 'hello'],
  ['single_quote', "'"], ['double_quote', '"'], ['tab', '\t'], ['backslash', '\\'], ['plane', '\u2708'], ['fire', '\u{1F525}'],
].map(([name, value]) => ({ name, value }))
const filtered = {
  list: [1, 2, 3], message: 'Hello Bob!', url: 'https://mozilla.org/?x=\u0448\u0435\u043b\u043b\u044b', text: 'a > b && a < c', id: '123', score: 1.6,
  file: '0YjQtdC70LvRiw==', text_encoded: 'PDw_Pz8-Pg', escaped_html: ['a &gt; b &amp;&amp; a &lt; c', 'Foo &#xA9; bar &#x1D306; baz &#x2603; qux', '&#65 foo'],
  encoded_url: 'https://mozilla.org/?x=%D1%88%D0%B5%D0%BB%D0%BB%D1%8B', ips: '192.168.2.1, 10.0.0.20, 10.0.0.10', json: '{"message": "Hello"}', pi: '3.141592653589793',
}
let jobs = 0
let started = 0
let repetitions = 0
const waited = () => {
  const now = Date.now()
  const isLate = now - started >= 100
  started = now
  return isLate
}

const routes = {
  '/assert-body': () => 'line1\nline2\nline3\n',
  '/assert-body-with-crlf': () => 'line1\nline2\r\nline3\n',
  '/assert-match': () => JSON.stringify({ date1: '2014-01-01', date2: 'x2014-01-01', path1: 'aa/bb', path2: 'aa\\bb', path3: 'Hello Bob!' }),
  '/utf8_bom': () => '\ufeffHello World!',
  '/bytes-empty': () => '',
  '/charset-default': () => [200, { 'content-type': 'text/html; charset=utf-8' }, html(cafe)],
  '/charset-latin1': () => encoded('charset=latin1', '3c703e636166e93c2f703e'),
  '/charset-uppercase-key': () => encoded('CHARSET=latin1', '3c703e636166e93c2f703e'),
  '/charset-gb2312': () => encoded('charset=gb2312', '3c703ec4e3bac3cac0bde73c2f703e'),
  '/charset-cp1256': () => encoded('charset=cp1256', '3c703ee3d1cdc8c720c8c7e1dac7e1e33c2f703e'),
  '/charset-many-keys': () => [200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8; escaping=values' }, html(cafe)],
  '/delay-init': () => check(Number.isInteger(started = Date.now())),
  '/delay': () => check(waited()),
  '/delay-and-retry': () => repetitions++ > 0 || waited() ? String(repetitions) : check(false),
  '/fileroot': ({ request, body }) => request.method === 'GET' ? 'a file of the suite' : check(body === 'a file of the suite'),
  '/follow-redirect': ({ request }) => request.headers.accept === 'text/plain' ? found(local('/following-redirect')) : check(false),
  '/following-redirect': ({ url }) => url.search ? check(false) : found(local('/followed-redirect')),
  '/followed-redirect': ({ request }) => request.headers.accept === 'text/plain' ? 'Followed redirect!' : check(false),
  '/follow-redirect-from-post': () => found(local('/followed-redirect-from-post')),
  '/followed-redirect-from-post': ({ request, body }) => request.method === 'GET' && !body ? 'Followed redirect!' : check(false),
  '/follow-redirect/relative/foo': () => found('../bar'),
  '/follow-redirect/bar': () => 'Followed relative redirect!',
  '/follow-redirect-basic-auth': ({ request, url }) => !isAuthorized(request) ? check(false)
    : found(url.searchParams.get('change_host') === 'true' ? `http://localhost:${port}/followed` : local('/followed')),
  '/followed': ({ request }) => isAuthorized(request) ? 'with' : request.headers.cookie ? check(false) : 'without',
  '/follow-redirect-308': () => found(local('/followed-redirect-308'), 308),
  '/followed-redirect-308': ({ request, body }) => request.method === 'POST' && body === 'user=bob&pass=123' ? 'Followed redirect 308!' : check(false),
  '/function': ({ url }) => check(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(url.searchParams.get('uuid'))
    && !Number.isNaN(Date.parse(url.searchParams.get('now')))),
  '/graphql': ({ json }) => JSON.stringify({ data: json().variables?.id === 'cGVvcGxlOjQ=' ? { person: { name: 'Darth Vader' } } : { allFilms: { films } } }),
  '/http-version': ({ request }) => request.httpVersion,
  '/limit-rate': () => 'x'.repeat(50000),
  '/method': ({ request }) => [200, { 'x-method': request.method }, ''],
  '/hello': () => 'Hello World!',
  '/post-json': ({ json }) => check(same(json(), bob)),
  '/post-json-array': ({ json }) => check(same(json(), [1, 2, 3])),
  '/post-json-string': ({ json }) => check(json() === 'Hello'),
  '/post-json-number': ({ json }) => check(json() === 100),
  '/post-json-numbers': ({ json }) => check(same(json(), { natural: 100, negative: -1, float: '3.333333333333333', exponent: 100e100 })),
  '/post-json-boolean': ({ json }) => check(json() === true),
  '/get-name': () => 'Bob "the" builder',
  '/check_name': ({ json }) => check(json().name === 'Bob "the" builder'),
  '/post-multilines': ({ body }) => check(body === csv),
  '/get-bob-age': () => '10',
  '/post-xml': ({ body }) => check(body === `<?xml version="1.0"?>\n${xml}`),
  '/post-xml-no-prolog': ({ body }) => check(body === xml),
  '/predicates-string-unicode': () => '\u2708',
  '/filter': () => JSON.stringify(filtered),
  '/assert-header': () => [200, {
    'content-type': 'text/html; charset=utf-8', header1: 'value1', etag: '"33a64df551425fcc55e4d42a148795d9f25f89d4"',
    expires: 'Wed, 21 Oct 2015 07:28:00 GMT', 'x-fruit': ['Banana', 'Lemon', 'Grape', 'Strawberry'],
    'set-cookie': ['cookie1=value1; Path=/', 'cookie2=value2; Path=/', 'cookie3=value3; Path=/'],
  }, ''],
  '/basic-authentication-per-request': ({ request }) => request.headers.authorization === 'Basic Ym9iQGVtYWlsLmNvbTpzZWNyZXQ=' ? 'You are authenticated' : [401, {}, ''],
  '/capture-and-assert': () => 'Hello Bob!',
  '/compressed/none': () => [200, { 'content-type': 'text/html; charset=utf-8' }, 'Hello World!'],
  '/compressed/gzip': () => coded('gzip', gzipSync('Hello World!')),
  '/compressed/zlib': () => coded('deflate', deflateSync('Hello World!')),
  '/compressed/brotli': () => coded('br', brotliCompressSync('Hello World!')),
  '/compressed/brotli_identity': () => coded('br, identity', brotliCompressSync('Hello World!')),
  '/content-type-json': ({ request }) => type(request, 'application/json'),
  '/content-type-vnd-json': ({ request }) => type(request, 'application/vnd.api+json'),
  '/content-type-form': ({ request }) => type(request, 'application/x-www-form-urlencoded'),
  '/content-type-multipart': ({ request }) => type(request, 'multipart/form-data; boundary='),
  '/content-type-xml': ({ request }) => type(request, 'application/xml'),
  '/cookies/set-request-cookie1-valueA': ({ request }) => check(cookies(request) === 'cookie1=valueA'),
  '/cookies/assert-that-cookie1-is-not-in-session': ({ request }) => check(!cookies(request).includes('cookie1')),
  '/cookies/set-multiple-request-cookies': ({ request }) => check(cookies(request) === 'user1=Bob; user2=Bill; user3=Bruce'),
  '/cookies/set-session-cookie2-valueA': () => [200, { 'set-cookie': 'cookie2=valueA; Path=/' }, ''],
  '/cookies/assert-that-cookie2-is-valueA': ({ request }) => check(cookies(request) === 'cookie2=valueA'),
  '/cookies/delete-cookie2': () => [200, { 'set-cookie': 'cookie2=; Max-Age=0; Path=/' }, ''],
  '/cookies/assert-that-cookie2-is-not-in-session': ({ request }) => check(!cookies(request)),
  '/cookies/set': () => [200, { 'set-cookie': [
    'LSID=DQAAAKEaem_vYg; Expires=Wed, 13 Jan 2021 22:23:01 GMT; Secure; HttpOnly; Path=/accounts',
    'HSID=AYQEVnDKrdst; Domain=localhost; Expires=Wed, 13 Jan 2021 22:23:01 GMT; HttpOnly; Path=/',
    'SSID=Ap4PGTEq; Domain=localhost; Expires=Wed, 13 Jan 2021 22:23:01 GMT; Secure; HttpOnly; Path=/',
  ] }, ''],
  '/expect': ({ request, body }) => check(request.headers.expect === '100-continue' && body === 'data'),
  '/form-params': ({ body }) => check(same([...new URLSearchParams(body)],
    [['param1', 'value1'], ['param2', ''], ['param3', 'a=b'], ['param4', 'a%3db'], ['values[0]', '0'], ['values[1]', '1']])),
  '/jsonpath/types': () => JSON.stringify(types).replace(']', ',{"name":"rubikcube_configuration","value":43252003274489856000}]'),
  '/override-header': ({ request }) => check(request.headers['user-agent'] === 'custom' && request.headers.accept === 'text/html'
    && request.headers.host === 'other.example' && request.headers['content-type'] === 'text/x-custom'),
  '/patch': ({ request, body }) => request.method === 'PATCH' && request.headers['if-match'] === '"e0023aa4e"' && body
    ? [204, { 'content-location': '/file.txt', etag: '"e0023aa4f"' }, ''] : check(false),
  '/retry': () => JSON.stringify({ state: ++jobs < 4 ? 'RUNNING' : 'COMPLETED', count: jobs }),
  '/repeat': () => 'repeated',
  '/~user': () => 'user',
  '/%7Euser': () => 'user',
  '/!$&()*+,;=:@[]': () => 'weird',
}

const answer = async (request, response) => {
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  const body = Buffer.concat(chunks).toString()
  const url = new URL(request.url, 'http://any')
  const hops = url.pathname.match(/^\/redirect-infinite\/(\d+)$/)
  let page = [404, {}, '']
  if (hops) page = hops[1] === '0' ? 'Done!' : found(local(`/redirect-infinite/${hops[1] - 1}`))
  // As it was sent: a URL would be normalized. A proxy gets all of it.
  const path = request.url.replace('http://proxied.example', '').split('?')[0]
  if (routes[path]) page = routes[path]({ request, url, body, json: () => JSON.parse(body) })
  const [status, headers, content] = typeof page === 'string' ? [200, { 'content-type': 'text/plain' }, page] : page
  response.writeHead(status, headers).end(content)
}
const file = name => readFileSync(`${process.argv[3]}/${name}`)
const server = createServer(answer)
const secure = createSecureServer({ cert: file('server.pem'), key: file('server.key') }, answer)
let port
server.listen(0, '127.0.0.1', () => {
  port = server.address().port
  secure.listen(0, '127.0.0.1', () => {
    const https = secure.address().port
    console.log(`listening ${JSON.stringify({ http: port, http2: port, https, https2: https })}`)
  })
})
