import { createReadStream } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import { extname } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { isType, MAX_BODY, type Page, readBody, reply, servePage, type TlsCertificate } from '@str0m/demo-kit'
import { UsageError } from '@str0m/sans-io'
import type { Answer, Offer } from '@str0m/rtc'
import type { Calls } from './calls.ts'
import type { Recordings } from './recordings.ts'

const PAGES: Readonly<Record<string, Page>> = {
  '/': { file: new URL('../public/index.html', import.meta.url), type: 'text/html; charset=utf-8' },
  '/page.js': { file: new URL('../public/page.js', import.meta.url), type: 'text/javascript; charset=utf-8' },
}
const TYPES: Readonly<Record<string, string>> = {
  '.webm': 'video/webm',
  '.mkv': 'video/x-matroska',
  '.mp4': 'video/mp4',
}
const STATUS: Readonly<Record<string, number>> = { 'not-playable': 415, 'too-many-calls': 503 }

/** Serves the page and the recordings, and takes offers as `application/sdp`: at `/record` as WHIP does, at `/play/<name>` as WHEP does. */
export function createHttpsServer(
  { key, cert }: TlsCertificate,
  calls: Calls,
  recordings: Recordings,
): Server {
  return createServer({ key, cert }, (request, response) => {
    handle(request, response, calls, recordings).catch((error: unknown) => {
      if (error instanceof UsageError && !response.headersSent) {
        reply(response, STATUS[error.code] ?? 400, { error: error.message, code: error.code })
        return
      }
      if (response.headersSent) {
        response.destroy()
        return
      }
      console.error(error)
      reply(response, 500, { error: 'Something went wrong in the server' })
    })
  })
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  calls: Calls,
  recordings: Recordings,
): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'https://localhost')
  const [, folder, name] = /^\/(calls|play|recordings)\/([\w.-]+)$/.exec(pathname) ?? []
  if (request.method === 'POST' && pathname === '/record') {
    const offer = await readOffer(request, response)
    if (offer !== undefined) sendAnswer(response, await calls.record(offer))
  } else if (request.method === 'GET' && pathname === '/recordings') {
    reply(response, 200, { recordings: await recordings.list() })
  } else if (request.method === 'DELETE' && folder === 'calls' && name !== undefined) {
    if (await calls.hangUp(name)) response.writeHead(200).end()
    else reply(response, 404, { error: 'There is no such call' })
  } else if (request.method === 'POST' && folder === 'play' && name !== undefined) {
    const path = await recordings.find(name)
    const offer = await readOffer(request, response)
    if (offer === undefined) return
    if (path === undefined) reply(response, 404, { error: 'There is no such recording' })
    else sendAnswer(response, await calls.play(path, searchParams.has('loop'), offer))
  } else if (request.method === 'GET' && folder === 'recordings' && name !== undefined) {
    const path = await recordings.find(name)
    if (path === undefined) {
      reply(response, 404, { error: 'There is no such recording' })
      return
    }
    response.writeHead(200, { 'Content-Type': TYPES[extname(path)] ?? 'application/octet-stream' })
    await pipeline(createReadStream(path), response)
  } else {
    servePage(request, response, pathname, PAGES[pathname])
  }
}

async function readOffer(request: IncomingMessage, response: ServerResponse): Promise<Offer | undefined> {
  const sdp = await readBody(request)
  if (sdp !== undefined && isType(request, 'application/sdp')) return { type: 'offer', sdp }
  if (sdp === undefined) reply(response, 413, { error: `An offer has at most ${MAX_BODY} bytes` })
  else reply(response, 415, { error: 'Offers come as application/sdp' })
  return undefined
}

function sendAnswer(response: ServerResponse, { id, answer }: { id: string; answer: Answer }): void {
  response.writeHead(201, {
    Location: `/calls/${id}`,
    'Content-Type': 'application/sdp',
    'Content-Length': Buffer.byteLength(answer.sdp),
  })
  response.end(answer.sdp)
}
