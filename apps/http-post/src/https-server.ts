import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import { isType, MAX_BODY, type Page, readBody, reply, servePage, type TlsCertificate } from '@str0m/demo-kit'
import { UsageError } from '@str0m/sans-io'
import type { Answer, Offer } from '@str0m/rtc'
import type { Calls } from './calls.ts'

const PAGES: Readonly<Record<string, Page>> = {
  '/': page('index.html', 'text/html; charset=utf-8'),
  '/page.js': page('page.js', 'text/javascript; charset=utf-8'),
  '/page.css': page('page.css', 'text/css; charset=utf-8'),
  '/favicon.ico': page('favicon.svg', 'image/svg+xml'),
}

function page(file: string, type: string): Page {
  return { file: new URL(`../public/${file}`, import.meta.url), type }
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

async function handle(request: IncomingMessage, response: ServerResponse, calls: Calls): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'https://localhost')
  const call = /^\/calls\/([\w-]+)$/.exec(pathname)?.[1]
  if (call !== undefined) await handleCall(request, response, calls, call)
  else if (request.method === 'POST' && pathname === '/') {
    await handleOffer(request, response, (offer) => calls.accept(offer, searchParams.has('echo')))
  } else
    servePage(request, response, pathname, PAGES[pathname], pathname === '/' ? 'GET, HEAD, POST' : undefined)
}

/** A call that stands, at the address that its answer gave as `Location`: negotiated again, told candidates (WHIP, RFC 9725), or ended. */
async function handleCall(
  request: IncomingMessage,
  response: ServerResponse,
  calls: Calls,
  id: string,
): Promise<void> {
  if (!calls.has(id)) {
    reply(response, 404, { error: 'There is no such call' })
    return
  }
  switch (request.method) {
    case 'POST':
      await handleOffer(request, response, (offer) => ({ id, answer: calls.renegotiate(id, offer) }))
      return
    case 'PATCH': {
      const body = await readBody(request)
      if (body === undefined || !isType(request, 'application/trickle-ice-sdpfrag')) {
        reply(response, 415, { error: 'Candidates come as application/trickle-ice-sdpfrag' })
        return
      }
      calls.trickle(id, candidatesOf(body))
      response.writeHead(204).end()
      return
    }
    case 'DELETE':
      calls.end(id)
      response.writeHead(200).end()
      return
    default:
      response.setHeader('Allow', 'POST, PATCH, DELETE')
      reply(response, 405, { error: `${request.method} is not answered at /calls/…` })
  }
}

/** The candidates of a fragment of SDP, RFC 8840 section 9; an empty one stands for the end of them. */
function candidatesOf(fragment: string): string[] {
  const lines = fragment.split(/\r?\n/)
  const candidates = lines.filter((line) => line.startsWith('a=candidate:')).map((line) => line.slice(2))
  return lines.includes('a=end-of-candidates') ? [...candidates, ''] : candidates
}

/** Takes an offer as JSON, or as `application/sdp` as WHIP (RFC 9725) posts it, and answers in kind. */
async function handleOffer(
  request: IncomingMessage,
  response: ServerResponse,
  accept: (offer: Offer) => { id: string; answer: Answer | undefined },
): Promise<void> {
  const body = await readBody(request)
  if (body === undefined) {
    response.setHeader('Connection', 'close')
    reply(response, 413, { error: `An offer has at most ${MAX_BODY} bytes` })
    return
  }
  const whip = isType(request, 'application/sdp')
  const offer = whip ? ({ type: 'offer', sdp: body } as const) : parseOffer(body)
  if (offer === undefined) {
    reply(response, 400, { error: 'Post an offer as JSON: { "type": "offer", "sdp": "…" }' })
    return
  }
  try {
    const { id, answer } = accept(offer)
    if (answer === undefined) {
      reply(response, 404, { error: 'There is no such call' })
      return
    }
    response.setHeader('Location', `/calls/${id}`)
    if (whip) {
      response.writeHead(201, {
        'Content-Type': 'application/sdp',
        'Content-Length': Buffer.byteLength(answer.sdp),
      })
      response.end(answer.sdp)
    } else {
      reply(response, 200, answer)
    }
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    reply(response, 400, { error: error.message, code: error.code })
  }
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
