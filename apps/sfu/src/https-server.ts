import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Server } from 'node:https'
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
      if (offer === undefined) break
      const { id: publisher, answer } = room.publish(offer)
      sendAnswer(response, `/publishers/${publisher}`, answer)
      break
    }
    case 'whep': {
      const offer = await readOffer(request, response)
      if (offer === undefined) break
      const { id: subscriber, answer } = room.subscribe(offer)
      sendAnswer(response, `/subscribers/${subscriber}`, answer)
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
