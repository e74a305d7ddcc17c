import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Server } from 'node:https'

/** Bytes of a request's body. An offer has some 10 KB. */
export const MAX_BODY: number = 256 * 1024

/** A file that a server hands out. */
export interface Page {
  readonly file: URL
  readonly type: string
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
    response.setHeader('Allow', methods)
    reply(response, 405, { error: `${request.method} is not answered at ${pathname}` })
  }
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
