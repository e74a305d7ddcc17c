// An offer that is posted as `application/sdp`, and the answer to it, as WHIP has them (RFC 9725).

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Answer, Offer } from '@str0m/rtc'
import { isType, MAX_BODY, readBody, reply } from './http.ts'

const SDP_TYPE = 'application/sdp'

/** Reads an offer. `undefined` where there is none: then that was answered. */
export async function readOffer(
  request: IncomingMessage,
  response: ServerResponse,
): Promise<Offer | undefined> {
  const sdp = await readBody(request)
  if (sdp !== undefined && isType(request, SDP_TYPE)) return { type: 'offer', sdp }
  if (sdp === undefined) reply(response, 413, { error: `An offer has at most ${MAX_BODY} bytes` })
  else reply(response, 415, { error: `Offers come as ${SDP_TYPE}` })
  return undefined
}

/** Tells the answer, and where what was made is ended. */
export function sendAnswer(response: ServerResponse, location: string, { sdp }: Answer): void {
  response.writeHead(201, {
    Location: location,
    'Content-Type': SDP_TYPE,
    'Content-Length': Buffer.byteLength(sdp),
  })
  response.end(sdp)
}
