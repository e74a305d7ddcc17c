import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { TlsCertificate } from './tls-certificate.ts'

/** Bytes of a request's body. An offer has some 10 KB. */
export const MAX_BODY: number = 256 * 1024

/** A file that a server hands out. */
export interface Page {
  readonly file: URL
  readonly type: string
}

/** Answers one request, whose target is `target`. What it rejects with is a fault of the server's. */
export type RequestHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  target: URL,
) => Promise<void>

/** A server that goes on, whatever is asked of it. */
export function createHttpsServer({ key, cert }: TlsCertificate, handle: RequestHandler): Server {
  return createServer({ key, cert }, (request, response) => {
    const target = targetOf(request.url ?? '/')
    if (target === undefined) {
      reply(response, 400, { error: 'The target of this request cannot be read' })
      return
    }
    handle(request, response, target).catch((error: unknown) => {
      if (response.headersSent) response.destroy()
      // who went away in the middle of it gets no answer, and is no news
      if (GONE.some((code) => isError(error, code))) return
      console.error(error)
      if (!response.headersSent) reply(response, 500, { error: 'Something went wrong in the server' })
    })
  })
}

/** How reading a request, or writing its answer, fails where the client has gone. */
const GONE = ['ECONNRESET', 'ERR_STREAM_PREMATURE_CLOSE']

/** RFC 9112 section 3.2: a path, which may begin with two slashes, or a whole address. `undefined` for what is neither. */
function targetOf(url: string): URL | undefined {
  try {
    return new URL(url.startsWith('/') ? `https://localhost${url}` : url, 'https://localhost')
  } catch {
    return undefined
  }
}

/** Answers a request for one of the pages; `undefined`: there is none at this path. */
export function servePage(
  request: IncomingMessage,
  response: ServerResponse,
  pathname: string,
  page: Page | undefined,
  methods = 'GET, HEAD',
): void {
  if (page === undefined) {
    reply(response, 404, { error: `There is nothing at ${pathname}` })
  } else if (request.method === 'GET' || request.method === 'HEAD') {
    const body = readFileSync(page.file)
    response.writeHead(200, {
      'Content-Type': page.type,
      'Content-Length': body.length,
      'Cache-Control': 'no-cache',
    })
    response.end(request.method === 'HEAD' ? undefined : body)
  } else {
    refuseMethod(request, response, methods)
  }
}

/** Answers a request whose method is not one of those that there are at its path. */
export function refuseMethod(request: IncomingMessage, response: ServerResponse, methods: string): void {
  response.setHeader('Allow', methods)
  reply(response, 405, { error: `${request.method} is not answered here` })
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

export function isType(request: IncomingMessage, type: string): boolean {
  return request.headers['content-type']?.split(';')[0]?.trim().toLowerCase() === type
}

/** `undefined` where it is too large. */
export async function readBody(request: IncomingMessage): Promise<string | undefined> {
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

export function reply(response: ServerResponse, status: number, value: object): void {
  const body = Buffer.from(`${JSON.stringify(value)}\n`)
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': body.length })
  response.end(body)
}

export function isError(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
