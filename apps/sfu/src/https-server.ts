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
import type { Room } from './room.ts'

const PAGES: Readonly<Record<string, Page>> = {
  '/': { file: new URL('../public/index.html', import.meta.url), type: 'text/html; charset=utf-8' },
  '/page.js': { file: new URL('../public/page.js', import.meta.url), type: 'text/javascript; charset=utf-8' },
}

/** What each path takes, where it is no page. */
const METHODS: readonly (readonly [RegExp, string])[] = [
  [/^\/(whip|whep)$/, 'POST'],
  [/^\/encodings$/, 'GET'],
  [/^\/(publishers|subscribers)\/[\w-]+$/, 'DELETE'],
  [/^\/subscribers\/[\w-]+\/encoding\/[\w-]+$/, 'POST'],
]

/** Serves the page, and takes offers as `application/sdp`: at `/whip` of the one who sends, at `/whep` of those who watch. */
export function createSfuServer(certificate: TlsCertificate, room: Room): Server {
  return createHttpsServer(certificate, async (request, response, target) => {
    try {
      await handle(request, response, target, room)
    } catch (error) {
      if (!(error instanceof UsageError) || response.headersSent) throw error
      const status = error.code === 'too-many-subscribers' ? 503 : 400
      reply(response, status, { error: error.message, code: error.code })
    }
  })
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  { pathname }: URL,
  room: Room,
): Promise<void> {
  const methods = METHODS.find(([path]) => path.test(pathname))?.[1]
  if (methods === undefined) {
    servePage(request, response, pathname, PAGES[pathname])
    return
  }
  if (request.method !== methods) {
    refuseMethod(request, response, methods)
    return
  }
  const [, folder, id = '', , rid] = pathname.split('/')
  switch (folder) {
    case 'encodings':
      reply(response, 200, { encodings: room.encodings })
      break
    case 'whip': {
      const offer = await readOffer(request, response)
      if (offer !== undefined) sendAnswer(response, 'publishers', room.publish(offer))
      break
    }
    case 'whep': {
      const offer = await readOffer(request, response)
      if (offer !== undefined) sendAnswer(response, 'subscribers', room.subscribe(offer))
      break
    }
    default:
      if (rid === undefined ? room.end(id) : room.select(id, rid === 'auto' ? undefined : rid)) {
        response.writeHead(rid === undefined ? 200 : 204).end()
      } else {
        reply(response, 404, { error: 'There is nobody of this address' })
      }
  }
}

async function readOffer(request: IncomingMessage, response: ServerResponse): Promise<Offer | undefined> {
  const sdp = await readBody(request)
  if (sdp !== undefined && isType(request, 'application/sdp')) return { type: 'offer', sdp }
  if (sdp === undefined) reply(response, 413, { error: `An offer has at most ${MAX_BODY} bytes` })
  else reply(response, 415, { error: 'Offers come as application/sdp' })
  return undefined
}

function sendAnswer(
  response: ServerResponse,
  folder: string,
  { id, answer }: { id: string; answer: Answer },
): void {
  response.writeHead(201, {
    Location: `/${folder}/${id}`,
    'Content-Type': 'application/sdp',
    'Content-Length': Buffer.byteLength(answer.sdp),
  })
  response.end(answer.sdp)
}
