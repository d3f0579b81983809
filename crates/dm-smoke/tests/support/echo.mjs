// A real server that answers with what it was sent, by every transport: HTTP/1, HTTP/2 with and without TLS, and a socket.
import { createServer } from 'node:http'
import { createSecureServer, createServer as createPlain2 } from 'node:http2'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'

const [socket, folder] = process.argv.slice(2)

const text = 'crème brûlée, '.repeat(20)
const page = (type, body, headers = {}) => [200, { 'content-type': type, ...headers }, body]
const found = (location, cookies = []) => [302, { location, 'set-cookie': cookies }, '']
const routes = {
  '/gzip': () => page('text/plain', gzipSync(text), { 'content-encoding': 'gzip' }),
  '/br': () => page('text/plain', brotliCompressSync(text), { 'content-encoding': 'br' }),
  '/deflate': () => page('text/plain', deflateSync(text), { 'content-encoding': 'deflate' }),
  '/bomb': () => page('text/plain', gzipSync(Buffer.alloc(64 << 20), { level: 1 }), { 'content-encoding': 'gzip' }),
  '/latin1': () => page('text/html; charset=ISO-8859-1', Buffer.from('café', 'latin1')),
  '/utf16': () => page('application/json', Buffer.from('\ufeff{"n":"ü"}', 'utf16le')),
  '/login': ({ form }) => found('/home', [`sid=${form.get('user')}-hush-hush; Path=/; HttpOnly`, 'theme=dark; Path=/admin']),
  '/home': ({ request }) => page('text/plain', `home of ${request.headers.cookie ?? 'nobody'}`),
  '/logout': () => [200, { 'set-cookie': 'sid=; Path=/; Max-Age=0' }, 'bye'],
  '/hello': () => page('text/plain', 'hello'),
  '/long': () => page('application/octet-stream', Buffer.alloc(1200000)),
  '/no-events': () => [503, pushed, 'data: no\n\n'],
  '/away': () => found(`http://localhost:${ports.http}/echo`),
}

const pushed = { 'content-type': 'text/event-stream; charset=utf-8' }
const streams = {
  '/events': response => response.end(': hello\n\nevent: price\ndata: {"price":1}\n\nevent: price\ndata: {"price":3}\n\ndata: good\ndata: bye\n\n'),
  '/hanging-events': response => response.write('data: started\n\n'),
}

// As much of WebSocket (RFC 6455) as short texts need: Node.js has no server of its own.
function upgrade(request, socket) {
  if (request.url !== '/socket') return socket.end('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello')
  const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept.digest('base64')}\r\n\r\n`)
  let pending = Buffer.alloc(0)
  let isClosing = false
  socket.on('error', () => {}).on('data', data => {
    pending = Buffer.concat([pending, data])
    while (pending.length >= 6 && pending.length >= 6 + (pending[1] & 127)) {
      const length = pending[1] & 127
      const text = pending.subarray(6, 6 + length).map((byte, at) => byte ^ pending[2 + at % 4])
      const opcode = pending[0] & 15
      pending = pending.subarray(6 + length)
      if (opcode !== 8 || !isClosing) socket.write(Buffer.concat([Buffer.from([0x80 | opcode, length]), text]))
      if (opcode === 8) return socket.end()
      if (Buffer.from(text).toString() === 'close') isClosing = socket.write(Buffer.from([0x88, 0])) || true
    }
  })
}

async function answer(request, response) {
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  const body = Buffer.concat(chunks)
  const url = new URL(request.url, 'http://any')
  if (streams[url.pathname]) return streams[url.pathname](response.writeHead(200, pushed))
  const route = routes[url.pathname]
  const form = new URLSearchParams(body.toString())
  const [status, headers, content] = route ? route({ request, form }) : page('application/json', JSON.stringify({
    method: request.method,
    url: request.url,
    version: request.httpVersion,
    headers: request.headers,
    raw: request.rawHeaders,
    body: body.toString('latin1'),
    sni: request.socket?.servername || null,
    client: request.socket?.getPeerCertificate?.()?.subject?.CN ?? null,
  }))
  response.writeHead(status, headers).end(content)
}

const ports = {}
const listen = (name, server, where) => new Promise(done => server.on('upgrade', upgrade).on('error', error => {
  console.error(error)
  process.exit(1)
}).listen(where, () => {
  ports[name] = server.address().port
  done()
}))
const local = { host: '127.0.0.1', port: 0 }
const file = name => readFileSync(`${folder}/${name}`)
const tls = { cert: file('server.pem'), key: file('server.key'), ca: file('ca.pem'), requestCert: true, rejectUnauthorized: false }
await listen('http', createServer(answer), local)
await listen('http2', createPlain2(answer), local)
await listen('https', createSecureServer({ ...tls, allowHTTP1: true }, answer), local)
await listen('https2', createSecureServer(tls, answer), local)
await listen('socket', createServer(answer), { path: socket })
console.log(`listening ${JSON.stringify(ports)}`)
