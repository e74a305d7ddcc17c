import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import { isType, MAX_BODY, type Page, readBody, reply, servePage, type TlsCertificate } from '@str0m/demo-kit'
import { UsageError } from '@str0m/sans-io'
import type { Offer } from '@str0m/rtc'
import type { Room } from './room.ts'

const PAGES: Readonly<Record<string, Page>> = {
  '/': { file: new URL('../public/index.html', import.meta.url), type: 'text/html; charset=utf-8' },
  '/page.js': { file: new URL('../public/page.js', import.meta.url), type: 'text/javascript; charset=utf-8' },
}

/** Serves the page, and takes offers as `application/sdp`: at `/whip` of the one who sends, at `/whep` of those who watch. */
export function createHttpsServer({ key, cert }: TlsCertificate, room: Room): Server {
  return createServer({ key, cert }, (request, response) => {
    handle(request, response, room).catch((error: unknown) => {
      if (error instanceof UsageError) {
        reply(response, 400, { error: error.message, code: error.code })
        return
      }
      console.error(error)
      if (response.headersSent) response.destroy()
      else reply(response, 500, { error: 'Something went wrong in the server' })
    })
  })
}

async function handle(request: IncomingMessage, response: ServerResponse, room: Room): Promise<void> {
  const { pathname } = new URL(request.url ?? '/', 'https://localhost')
  const [, id, rid] = /^\/subscribers\/(\d+)\/encoding\/([\w-]+)$/.exec(pathname) ?? []
  if (request.method === 'POST' && id !== undefined && rid !== undefined) {
    if (room.select(id, rid === 'auto' ? undefined : rid)) response.writeHead(204).end()
    else reply(response, 404, { error: 'There is no such subscriber' })
  } else if (request.method === 'GET' && pathname === '/encodings') {
    reply(response, 200, { encodings: room.encodings })
  } else if (request.method === 'POST' && pathname === '/whip') {
    const offer = await readOffer(request, response)
    if (offer !== undefined) sendAnswer(response, '/whip', room.publish(offer).sdp)
  } else if (request.method === 'POST' && pathname === '/whep') {
    const offer = await readOffer(request, response)
    if (offer === undefined) return
    const { id: subscriber, answer } = room.subscribe(offer)
    sendAnswer(response, `/subscribers/${subscriber}`, answer.sdp)
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

function sendAnswer(response: ServerResponse, location: string, sdp: string): void {
  response.writeHead(201, {
    Location: location,
    'Content-Type': 'application/sdp',
    'Content-Length': Buffer.byteLength(sdp),
  })
  response.end(sdp)
}
