// Answers as the server of hurl's integration tests does, and refuses (400) what it should not get.
import { createServer } from 'node:http'
import { isDeepStrictEqual as same } from 'node:util'

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
  '/~user': () => 'user',
  '/%7Euser': () => 'user',
  '/!$&()*+,;=:@[]': () => 'weird',
}

const server = createServer(async (request, response) => {
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  const body = Buffer.concat(chunks).toString()
  const url = new URL(request.url, 'http://any')
  const hops = url.pathname.match(/^\/redirect-infinite\/(\d+)$/)
  let answer = [404, {}, '']
  if (hops) answer = hops[1] === '0' ? 'Done!' : found(local(`/redirect-infinite/${hops[1] - 1}`))
  // As it was sent: a URL would be normalized.
  else if (routes[request.url.split('?')[0]]) answer = routes[request.url.split('?')[0]]({ request, url, body, json: () => JSON.parse(body) })
  const [status, headers, content] = typeof answer === 'string' ? [200, { 'content-type': 'text/plain' }, answer] : answer
  response.writeHead(status, headers).end(content)
})
let port
server.listen(0, '127.0.0.1', () => {
  port = server.address().port
  console.log(`listening ${JSON.stringify({ http: port, http2: port, https: port, https2: port })}`)
})
