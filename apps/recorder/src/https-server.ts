import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Server } from 'node:https'
import { extname } from 'node:path'
import { pipeline } from 'node:stream/promises'
import {
  createHttpsServer,
  type Page,
  readOffer,
  refuseMethod,
  reply,
  sendAnswer,
  servePage,
  type TlsCertificate,
} from '@str0m/demo-kit'
import { UsageError } from '@str0m/sans-io'
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

/** What each path takes, where it is no page. */
const METHODS: readonly (readonly [RegExp, string])[] = [
  [/^\/record$/, 'POST'],
  [/^\/recordings$/, 'GET'],
  [/^\/recordings\/[^/]+$/, 'GET, HEAD'],
  [/^\/play\/[^/]+$/, 'POST'],
  [/^\/calls\/[^/]+$/, 'DELETE'],
]

/** Serves the page and the recordings, and takes offers as `application/sdp`: at `/record` as WHIP does, at `/play/<name>` as WHEP does. */
export function createRecorderServer(
  certificate: TlsCertificate,
  calls: Calls,
  recordings: Recordings,
): Server {
  return createHttpsServer(certificate, async (request, response, target) => {
    try {
      await handle(request, response, target, calls, recordings)
    } catch (error) {
      if (!(error instanceof UsageError) || response.headersSent) throw error
      reply(response, STATUS[error.code] ?? 400, { error: error.message, code: error.code })
    }
  })
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  { pathname, searchParams }: URL,
  calls: Calls,
  recordings: Recordings,
): Promise<void> {
  const { method = '' } = request
  const methods = METHODS.find(([path]) => path.test(pathname))?.[1]
  if (methods === undefined) {
    servePage(request, response, pathname, PAGES[pathname])
    return
  }
  if (!methods.split(', ').includes(method)) {
    refuseMethod(request, response, methods)
    return
  }
  const [, folder, name = ''] = pathname.split('/')
  switch (folder) {
    case 'record': {
      const offer = await readOffer(request, response)
      if (offer === undefined) break
      const { id, answer } = await calls.record(offer)
      sendAnswer(response, `/calls/${id}`, answer)
      break
    }
    case 'play': {
      const path = await recordings.find(name)
      const offer = await readOffer(request, response)
      if (offer === undefined) break
      if (path === undefined) {
        refuseUnknown(response, 'recording')
        break
      }
      const { id, answer } = await calls.play(path, searchParams.has('loop'), offer)
      sendAnswer(response, `/calls/${id}`, answer)
      break
    }
    case 'calls':
      try {
        if (await calls.hangUp(name)) response.writeHead(200).end()
        else refuseUnknown(response, 'call')
      } catch (error) {
        // the disk's fault, as one that is full: who records is told
        reply(response, 500, { error: `The recording could not be written: ${String(error)}` })
      }
      break
    default:
      if (name === '') reply(response, 200, { recordings: await recordings.list() })
      else await sendRecording(request, response, await recordings.find(name))
  }
}

async function sendRecording(
  request: IncomingMessage,
  response: ServerResponse,
  path: string | undefined,
): Promise<void> {
  if (path === undefined) {
    refuseUnknown(response, 'recording')
    return
  }
  const { size } = await stat(path)
  response.writeHead(200, {
    'Content-Type': TYPES[extname(path)] ?? 'application/octet-stream',
    'Content-Length': size,
  })
  // a whole file does not grow any more: what follows is as long as was said
  if (request.method === 'HEAD' || size === 0) response.end()
  else await pipeline(createReadStream(path, { end: size - 1 }), response)
}

function refuseUnknown(response: ServerResponse, what: string): void {
  reply(response, 404, { error: `There is no such ${what}` })
}
