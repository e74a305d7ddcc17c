import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import { isType, MAX_BODY, type Page, readBody, reply, servePage, type TlsCertificate } from '@str0m/demo-kit'
import { UsageError } from '@str0m/sans-io'
import type { Answer, Offer } from '@str0m/rtc'
import type { Calls } from './calls.ts'
import {
  allowOrigins,
  FRAGMENT_TYPE,
  fragmentOf,
  matchesEntity,
  parseFragment,
  replyOptions,
} from './whip.ts'

const PAGES: Readonly<Record<string, Page>> = {
  '/': page('index.html', 'text/html; charset=utf-8'),
  '/page.js': page('page.js', 'text/javascript; charset=utf-8'),
  '/page.css': page('page.css', 'text/css; charset=utf-8'),
  '/favicon.ico': page('favicon.svg', 'image/svg+xml'),
}

const ENDPOINT_METHODS = 'GET, HEAD, POST, OPTIONS'
const CALL_METHODS = 'POST, PATCH, DELETE, OPTIONS'

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
  if (call !== undefined || pathname === '/') allowOrigins(response)
  if (call !== undefined) await handleCall(request, response, calls, call)
  else if (request.method === 'POST' && pathname === '/') {
    await handleOffer(request, response, calls, (offer) => calls.accept(offer, searchParams.has('echo')))
  } else if (request.method === 'OPTIONS' && pathname === '/') {
    replyOptions(response, ENDPOINT_METHODS, { 'Accept-Post': 'application/sdp, application/json' })
  } else {
    servePage(request, response, pathname, PAGES[pathname], pathname === '/' ? ENDPOINT_METHODS : undefined)
  }
}

/** A call that stands, at the address that its answer gave as `Location`: negotiated again, told candidates (WHIP, RFC 9725), or ended. */
async function handleCall(
  request: IncomingMessage,
  response: ServerResponse,
  calls: Calls,
  id: string,
): Promise<void> {
  // a browser asks for leave before it knows whether the call still stands
  if (request.method === 'OPTIONS') {
    replyOptions(response, CALL_METHODS, { 'Accept-Patch': FRAGMENT_TYPE })
    return
  }
  if (!calls.has(id)) {
    reply(response, 404, { error: 'There is no such call' })
    return
  }
  switch (request.method) {
    case 'POST':
      await handleOffer(request, response, calls, (offer) => ({ id, answer: calls.renegotiate(id, offer) }))
      return
    case 'PATCH':
      await handlePatch(request, response, calls, id)
      return
    case 'DELETE':
      calls.end(id)
      response.writeHead(200, { 'Content-Length': 0 }).end()
      return
    default:
      response.setHeader('Allow', CALL_METHODS)
      reply(response, 405, { error: `${request.method} is not answered at /calls/…` })
  }
}

/** Candidates that came later, or an ICE restart: RFC 9725 sections 4.3.2 and 4.3.3. */
async function handlePatch(
  request: IncomingMessage,
  response: ServerResponse,
  calls: Calls,
  id: string,
): Promise<void> {
  if (!isType(request, FRAGMENT_TYPE)) {
    response.setHeader('Accept-Patch', FRAGMENT_TYPE)
    reply(response, 415, { error: `Candidates come as ${FRAGMENT_TYPE}` })
    return
  }
  const body = await readBody(request)
  if (body === undefined) {
    refuseLarge(response)
    return
  }
  const fragment = parseFragment(body)
  if (fragment === undefined) {
    reply(response, 400, { error: 'This is no fragment of SDP' })
    return
  }
  const { credentials, candidates } = fragment
  const current = calls.remoteCredentials(id)
  const isRestart =
    credentials !== undefined && (credentials.ufrag !== current?.ufrag || credentials.pwd !== current.pwd)
  // who does not say which ICE session is meant (drafts of WHIP asked for no more) adds to the one that there is
  const matches = matchesEntity(request, entityTag(calls, id))
  if (matches === false || (isRestart && matches === true)) {
    reply(response, 412, { error: 'These candidates are of another ICE session' })
  } else if (isRestart && matches === undefined) {
    reply(response, 428, { error: 'An ICE restart says If-Match: *' })
  } else if (isRestart) {
    try {
      const answer = calls.restartIce(id, credentials)
      calls.trickle(id, candidates)
      const text = fragmentOf(answer?.sdp ?? '')
      response.setHeader('ETag', entityTag(calls, id) ?? '')
      response.writeHead(200, { 'Content-Type': FRAGMENT_TYPE, 'Content-Length': Buffer.byteLength(text) })
      response.end(text)
    } catch (error) {
      refuse(response, error)
    }
  } else {
    calls.trickle(id, candidates)
    response.writeHead(204).end()
  }
}

/** Names the ICE session of a call, RFC 9725 section 4.3.1. */
function entityTag(calls: Calls, id: string): string | undefined {
  const session = calls.iceSession(id)
  return session === undefined ? undefined : `"${session}"`
}

/** Takes an offer as JSON, or as `application/sdp` as WHIP (RFC 9725) posts it, and answers in kind. */
async function handleOffer(
  request: IncomingMessage,
  response: ServerResponse,
  calls: Calls,
  accept: (offer: Offer) => { id: string; answer: Answer | undefined },
): Promise<void> {
  const body = await readBody(request)
  if (body === undefined) {
    refuseLarge(response)
    return
  }
  const whip = isType(request, 'application/sdp')
  const offer = whip ? ({ type: 'offer', sdp: body } as const) : parseOffer(body)
  if (offer === undefined) {
    const type = request.headers['content-type']
    if (type !== undefined && !isType(request, 'application/json')) {
      response.setHeader('Accept-Post', 'application/sdp, application/json')
      reply(response, 415, { error: `An offer comes as application/sdp or application/json, not as ${type}` })
      return
    }
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
    response.setHeader('ETag', entityTag(calls, id) ?? '')
    response.setHeader('Accept-Patch', FRAGMENT_TYPE)
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
    refuse(response, error)
  }
}

/** An offer that cannot be taken is the client's matter; all else is ours. */
function refuse(response: ServerResponse, error: unknown): void {
  if (!(error instanceof UsageError)) throw error
  reply(response, 400, { error: error.message, code: error.code })
}

function refuseLarge(response: ServerResponse): void {
  response.setHeader('Connection', 'close')
  reply(response, 413, { error: `An offer has at most ${MAX_BODY} bytes` })
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
