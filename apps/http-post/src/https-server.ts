import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import { UsageError } from '@str0m/sans-io'
import type { Offer } from '@str0m/rtc'
import type { Calls } from './calls.ts'
import type { TlsCertificate } from './tls-certificate.ts'
import { isError } from './udp.ts'

/** Bytes of a request's body. An offer has some 10 KB. */
export const MAX_BODY = 256 * 1024

const PAGES: Readonly<Record<string, { file: string; type: string }>> = {
  '/': { file: 'index.html', type: 'text/html; charset=utf-8' },
  '/page.js': { file: 'page.js', type: 'text/javascript; charset=utf-8' },
  '/favicon.ico': { file: 'favicon.svg', type: 'image/svg+xml' },
  '/page.css': { file: 'page.css', type: 'text/css; charset=utf-8' },
}

/** Serves the page, and takes offers that are posted to `/`. */
export function createHttpsServer({ key, cert }: TlsCertificate, calls: Calls): Server {
  return createServer({ key, cert }, (request, response) => {
    handle(request, response, calls).catch((error: unknown) => {
      console.error(error)
      if (response.headersSent) response.destroy()
      else reply(response, 500, { error: 'Something went wrong in the server' })
    })
  })
}

/** Answers the port that it listens on. */
export function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      if (isError(error, 'EADDRINUSE')) {
        reject(
          new Error(`Port ${port} is taken: choose another by --port, or PORT in the environment`, {
            cause: error,
          }),
        )
      } else if (host === '::' && (isError(error, 'EAFNOSUPPORT') || isError(error, 'EADDRNOTAVAIL'))) {
        resolve(listen(server, port, '0.0.0.0'))
      } else {
        reject(error)
      }
    })
    server.listen(port, host, () => {
      server.removeAllListeners('error')
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : port)
    })
  })
}

async function handle(request: IncomingMessage, response: ServerResponse, calls: Calls): Promise<void> {
  const { pathname } = new URL(request.url ?? '/', 'https://localhost')
  if (request.method === 'POST' && pathname === '/') {
    await handleOffer(request, response, calls)
    return
  }
  const page = PAGES[pathname]
  if (page === undefined) {
    reply(response, 404, { error: `There is nothing at ${pathname}` })
  } else if (request.method === 'GET' || request.method === 'HEAD') {
    const body = readFileSync(new URL(`../public/${page.file}`, import.meta.url))
    response.writeHead(200, {
      'Content-Type': page.type,
      'Content-Length': body.length,
      'Cache-Control': 'no-cache',
    })
    response.end(request.method === 'HEAD' ? undefined : body)
  } else {
    response.setHeader('Allow', pathname === '/' ? 'GET, HEAD, POST' : 'GET, HEAD')
    reply(response, 405, { error: `${request.method} is not answered at ${pathname}` })
  }
}

async function handleOffer(request: IncomingMessage, response: ServerResponse, calls: Calls): Promise<void> {
  const body = await readBody(request)
  if (body === undefined) {
    response.setHeader('Connection', 'close')
    reply(response, 413, { error: `An offer has at most ${MAX_BODY} bytes` })
    return
  }
  const offer = parseOffer(body)
  if (offer === undefined) {
    reply(response, 400, { error: 'Post an offer as JSON: { "type": "offer", "sdp": "…" }' })
    return
  }
  try {
    reply(response, 200, calls.accept(offer))
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    reply(response, 400, { error: error.message, code: error.code })
  }
}

/** `undefined` where it is too large. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length
    // the rest is read and thrown away, so that the answer can be read; but not without end
    if (length > 8 * MAX_BODY) return undefined
    if (length <= MAX_BODY) chunks.push(chunk)
  }
  return length > MAX_BODY ? undefined : Buffer.concat(chunks).toString('utf8')
}

function parseOffer(body: string): Offer | undefined {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  if (!('type' in value) || value.type !== 'offer') return undefined
  if (!('sdp' in value) || typeof value.sdp !== 'string') return undefined
  return { type: 'offer', sdp: value.sdp }
}

function reply(response: ServerResponse, status: number, value: object): void {
  const body = Buffer.from(`${JSON.stringify(value)}\n`)
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': body.length })
  response.end(body)
}
