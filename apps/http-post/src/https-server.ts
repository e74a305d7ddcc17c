import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Server } from 'node:https'
import {
  createHttpsServer,
  isType,
  MAX_BODY,
  type Page,
  readBody,
  refuseMethod,
  reply,
  servePage,
  type TlsCertificate,
} from '@str0m/demo-kit'
import { UsageError } from '@str0m/sans-io'
import type { Answer, Offer } from '@str0m/rtc'
import { bearerGuard, type Guard } from './authorization.ts'
import type { Calls } from './calls.ts'
import { type IceServer, iceServerLink } from './ice-servers.ts'
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
const CALL_METHODS = 'GET, HEAD, POST, PATCH, DELETE, OPTIONS'
const SDP_TYPE = 'application/sdp'
const OFFER_TYPES = `${SDP_TYPE}, application/json`
/** What a caller is told to wait where there is no room for another call, or nothing to be watched, seconds. */
const RETRY_AFTER = 10

/** Where calls begin. */
const ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  '/': { types: OFFER_TYPES, watches: false },
  '/whip': { types: SDP_TYPE, watches: false },
  '/whep': { types: SDP_TYPE, watches: true },
}

interface Endpoint {
  /** What an offer comes as. */
  readonly types: string
  /** Whether the caller receives what another one sends. */
  readonly watches: boolean
}

export interface HttpsOptions {
  readonly calls: Calls
  /** What callers show (RFC 6750); `undefined`: all may call. */
  readonly token: string | undefined
  /** What callers are told of STUN and TURN. */
  readonly iceServers: readonly IceServer[]
  /** Whether others may watch the latest call. */
  readonly whep: boolean
}

/** What requests are answered with. */
interface Context {
  readonly calls: Calls
  readonly guard: Guard
  /** Values of `Link`. */
  readonly links: readonly string[]
  readonly whep: boolean
}

function page(file: string, type: string): Page {
  return { file: new URL(`../public/${file}`, import.meta.url), type }
}

/** Serves the page, and takes offers that are posted to `/`. */
export function createDemoServer(
  certificate: TlsCertificate,
  { calls, token, iceServers, whep }: HttpsOptions,
): Server {
  const context = { calls, guard: bearerGuard(token), links: iceServers.map(iceServerLink), whep }
  return createHttpsServer(certificate, (request, response, target) =>
    handle(request, response, target, context),
  )
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  { pathname, searchParams }: URL,
  context: Context,
): Promise<void> {
  const { calls } = context
  const call = /^\/calls\/([\w-]+)$/.exec(pathname)?.[1]
  const endpoint = ENDPOINTS[pathname]
  if (call !== undefined || endpoint !== undefined) allowOrigins(response)
  if (call !== undefined) await handleCall(request, response, context, call)
  else if (endpoint?.watches === true && !context.whep) {
    reply(response, 404, { error: 'Calls are not to be watched here: the server was started without --whep' })
  } else if (request.method === 'POST' && endpoint !== undefined) {
    if (isRefused(request, response, context)) return
    await handleOffer(request, response, context, {
      types: endpoint.types,
      answer: (offer, whip) =>
        endpoint.watches ? calls.watch(offer) : calls.accept(offer, { echo: searchParams.has('echo'), whip }),
    })
  } else if (request.method === 'OPTIONS' && endpoint !== undefined) {
    // a browser's own question has no token (RFC 9725 section 4.7.1), and is not told the servers (section 4.6)
    const isPreflight = request.headers['access-control-request-method'] !== undefined
    if (!isPreflight && context.guard(request) === undefined) setLinks(response, context)
    replyOptions(response, ENDPOINT_METHODS, { 'Accept-Post': endpoint.types })
  } else if (endpoint !== undefined && pathname !== '/') {
    replyEmpty(request, response, ENDPOINT_METHODS)
  } else {
    servePage(request, response, pathname, PAGES[pathname], pathname === '/' ? ENDPOINT_METHODS : undefined)
  }
}

/** Refuses who does not show the token, RFC 9725 section 4.7.1. */
function isRefused(request: IncomingMessage, response: ServerResponse, { guard }: Context): boolean {
  const challenge = guard(request)
  if (challenge === undefined) return false
  response.setHeader('WWW-Authenticate', challenge)
  reply(response, 401, { error: 'This server asks for a token: Authorization: Bearer …' })
  return true
}

function setLinks(response: ServerResponse, { links }: Context): void {
  if (links.length > 0) response.setHeader('Link', links)
}

/** A call that stands, at the address that its answer gave as `Location`: negotiated again, told candidates (WHIP, RFC 9725), or ended. */
async function handleCall(
  request: IncomingMessage,
  response: ServerResponse,
  context: Context,
  id: string,
): Promise<void> {
  const { calls } = context
  // a browser asks for leave before it knows whether the call still stands
  if (request.method === 'OPTIONS') {
    replyOptions(response, CALL_METHODS, { 'Accept-Patch': FRAGMENT_TYPE })
    return
  }
  if (isRefused(request, response, context)) return
  if (!calls.has(id)) {
    refuseUnknown(response)
    return
  }
  switch (request.method) {
    case 'POST':
      await handleOffer(request, response, context, {
        types: OFFER_TYPES,
        call: id,
        answer: (offer) => ({ id, answer: calls.renegotiate(id, offer) }),
      })
      return
    case 'PATCH':
      await handlePatch(request, response, calls, id)
      return
    case 'DELETE':
      calls.end(id)
      response.writeHead(200, { 'Content-Length': 0 }).end()
      return
    default:
      replyEmpty(request, response, CALL_METHODS)
  }
}

/** What is no page has nothing to be read (RFC 9725 section 4.1). */
function replyEmpty(request: IncomingMessage, response: ServerResponse, methods: string): void {
  if (request.method === 'GET' || request.method === 'HEAD') {
    response.writeHead(204).end()
  } else {
    refuseMethod(request, response, methods)
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
  // it may have ended while the body came
  if (!calls.has(id)) {
    refuseUnknown(response)
    return
  }
  const { credentials, candidates } = fragment
  const current = calls.remoteCredentials(id)
  const isRestart =
    credentials !== undefined && (credentials.ufrag !== current?.ufrag || credentials.pwd !== current.pwd)
  const matches = matchesEntity(request, entityTag(calls, id))
  // a fragment names its ICE session, so candidates do without If-Match: clients of WHIP's drafts, and some of today, leave it out
  if (matches === undefined && isRestart) {
    reply(response, 428, { error: 'An ICE restart says If-Match: *' })
  } else if (matches === false || (isRestart && matches === true)) {
    reply(response, 412, { error: 'These candidates are of another ICE session' })
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

/** How an offer that is posted somewhere is taken. */
interface OfferHandler {
  readonly types: string
  /** The call that is negotiated again; absent: it is a new one. */
  readonly call?: string
  /** `undefined`: there is no call to be watched. */
  readonly answer: (
    offer: Offer,
    whip: boolean,
  ) => { readonly id: string; readonly answer: Answer | undefined } | undefined
}

/** Takes an offer as JSON, or as `application/sdp` as WHIP (RFC 9725) posts it, and answers in kind. */
async function handleOffer(
  request: IncomingMessage,
  response: ServerResponse,
  context: Context,
  { types, call, answer: answerTo }: OfferHandler,
): Promise<void> {
  const { calls } = context
  const body = await readBody(request)
  if (body === undefined) {
    refuseLarge(response)
    return
  }
  const whip = isType(request, SDP_TYPE)
  const type = request.headers['content-type']
  const isOther = !whip && type !== undefined && !isType(request, 'application/json')
  const offer = whip ? ({ type: 'offer', sdp: body } as const) : parseOffer(body)
  if (types === SDP_TYPE ? !whip : isOther && offer === undefined) {
    response.setHeader('Accept-Post', types)
    reply(response, 415, {
      error: `An offer comes as ${types.replace(',', ' or')}, not as ${type ?? 'nothing'}`,
    })
    return
  }
  if (offer === undefined) {
    reply(response, 400, { error: 'Post an offer as JSON: { "type": "offer", "sdp": "…" }' })
    return
  }
  if (call === undefined && calls.isFull) {
    response.setHeader('Retry-After', String(RETRY_AFTER))
    reply(response, 503, { error: 'There is no room for another call' })
    return
  }
  try {
    const answered = answerTo(offer, whip)
    if (answered === undefined) {
      response.setHeader('Retry-After', String(RETRY_AFTER))
      reply(response, 409, { error: 'Nobody sends anything that could be watched' })
      return
    }
    const { id, answer } = answered
    if (answer === undefined) {
      refuseUnknown(response)
      return
    }
    response.setHeader('Location', `/calls/${id}`)
    response.setHeader('ETag', entityTag(calls, id) ?? '')
    response.setHeader('Accept-Patch', FRAGMENT_TYPE)
    setLinks(response, context)
    if (whip) {
      response.writeHead(201, {
        'Content-Type': SDP_TYPE,
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

/** An offer that cannot be taken is the client's matter; all else is ours. RFC 9725 section 4.2: what is no SDP is malformed. */
function refuse(response: ServerResponse, error: unknown): void {
  if (!(error instanceof UsageError)) throw error
  reply(response, error.code === 'invalid-sdp' ? 400 : 422, { error: error.message, code: error.code })
}

function refuseUnknown(response: ServerResponse): void {
  reply(response, 404, { error: 'There is no such call' })
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
