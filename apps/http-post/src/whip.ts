import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Answer, Offer, Rtc } from '@str0m/rtc'
import { UsageError } from '@str0m/sans-io'

/** Fragments of SDP that PATCH brings and answers, RFC 8840 section 9. */
export const FRAGMENT_TYPE = 'application/trickle-ice-sdpfrag'

/** What names and secures one ICE session of one side, RFC 8839 section 5.4. */
export interface IceCredentials {
  readonly ufrag: string
  readonly pwd: string
}

export interface IceFragment {
  /** Whose candidates these are; other ones than those before ask for an ICE restart. */
  readonly credentials: IceCredentials | undefined
  /** As `Rtc.addRemoteCandidate` takes them; an empty one stands for the end of them. */
  readonly candidates: readonly string[]
}

/** `undefined` for what is no fragment of SDP. */
export function parseFragment(text: string): IceFragment | undefined {
  const lines = text.split(/\r\n|\r|\n/).filter((line) => line !== '')
  if (!lines.every((line) => /^[a-z]=/.test(line))) return undefined
  const candidates = lines.filter((line) => line.startsWith('a=candidate:')).map((line) => line.slice(2))
  if (lines.includes('a=end-of-candidates')) candidates.push('')
  return { credentials: credentialsOf(text), candidates }
}

/** Whether a candidate that says whose it is (`ufrag`, RFC 8839 section 5.1) is of this ICE session. */
export function isSameSession(candidate: string, ufrag: string | undefined): boolean {
  const said = / ufrag (\S+)/.exec(candidate)?.[1]
  return said === undefined || said === ufrag
}

/** Those of the first section, which is the one that the others share the transport of. */
export function credentialsOf(sdp: string): IceCredentials | undefined {
  const ufrag = /^a=ice-ufrag:([^\r\n]+)/m.exec(sdp)?.[1]
  const pwd = /^a=ice-pwd:([^\r\n]+)/m.exec(sdp)?.[1]
  return ufrag === undefined || pwd === undefined ? undefined : { ufrag, pwd }
}

/**
 * Answers what a client of WHIP or WHEP offers: media goes one way (RFC 9725 section 4.2), RTP and RTCP share one port (section 4.4.1). `direction` is seen from here; `sendrecv`, which is
 * not of the RFC, is what is sent back. Throws a `UsageError`, as `Rtc.acceptOffer`.
 */
export function acceptWhole(rtc: Rtc, offer: Offer, direction: 'recvonly' | 'sendonly' | 'sendrecv'): Answer {
  const incoming = rtc.readOffer(offer)
  for (const { mid } of incoming.medias) incoming.setDirection(mid, direction)
  const { type, sdp } = incoming.accept()
  return { type, sdp: sdp.replaceAll(/^a=rtcp-mux\r\n/gm, '$&a=rtcp-mux-only\r\n') }
}

/**
 * Whether an answer is to the whole of an offer: no section is rejected alone (RFC 9725 section 4.4.3), and in all of them media goes (section 4.2). Throws a `UsageError`:
 * `partial-answer`, `wrong-direction`.
 */
export function checkWhole(offer: Offer, answer: Answer): void {
  const offered = sectionsOf(offer.sdp)
  sectionsOf(answer.sdp).forEach(({ port, inactive }, index) => {
    const { port: wanted, bundleOnly } = offered[index]!
    // RFC 9143 section 6: at port 0 it is not used, unless it says that it goes with the others
    if (wanted === 0 && !bundleOnly) return
    if (port === 0) throw new UsageError('partial-answer', `Section ${index} of the offer cannot be taken`)
    if (inactive) {
      throw new UsageError(
        'wrong-direction',
        `In section ${index} of the offer no media goes the way that it goes here`,
      )
    }
  })
}

/** Whether there is anything that an answer takes. Throws a `UsageError` (`nothing-taken`): else a call would stand that never connects, and so never ends. */
export function checkSome(answer: Answer): void {
  if (sectionsOf(answer.sdp).some(({ port }) => port !== 0)) return
  throw new UsageError('nothing-taken', 'No section of the offer can be taken')
}

interface Section {
  readonly port: number
  readonly bundleOnly: boolean
  readonly inactive: boolean
}

function sectionsOf(sdp: string): Section[] {
  const has = (section: string, attribute: string): boolean =>
    section.split(/\r\n|\r|\n/).includes(`a=${attribute}`)
  return sdp
    .split(/^m=/m)
    .slice(1)
    .map((section) => ({
      port: Number.parseInt(section.split(' ', 2)[1]!, 10),
      bundleOnly: has(section, 'bundle-only'),
      inactive: has(section, 'inactive'),
    }))
}

/** An offer as it was, but for an ICE session of its own: what a client means by a fragment that restarts ICE. */
export function restarted(offer: string, { ufrag, pwd }: IceCredentials): string {
  return offer
    .replaceAll(/^a=(?:candidate:[^\r\n]*|end-of-candidates)(?:\r\n|\r|\n)/gm, '')
    .replaceAll(/^a=ice-ufrag:[^\r\n]*/gm, () => `a=ice-ufrag:${ufrag}`)
    .replaceAll(/^a=ice-pwd:[^\r\n]*/gm, () => `a=ice-pwd:${pwd}`)
}

/** What an answer says of ICE, for a client that restarted it: the first section in use stands for all (RFC 8840 section 4.4, RFC 9725 section 4.3.3). */
export function fragmentOf(answer: string): string {
  const session = /^[^]*?(?=^m=|(?![^]))/m.exec(answer)![0]
  const section = /^m=\S+ [1-9][^]*?(?=^m=|(?![^]))/m.exec(answer)?.[0] ?? ''
  const linesOf = (text: string, pattern: RegExp): string[] =>
    text.split(/\r?\n/).filter((line) => pattern.test(line))
  const lines = [
    ...linesOf(session, /^a=ice-lite$/),
    ...linesOf(section, /^a=ice-options:/),
    ...linesOf(session, /^a=group:BUNDLE /),
    ...linesOf(section, /^m=/),
    ...linesOf(section, /^a=mid:/),
    ...linesOf(section, /^a=ice-(ufrag|pwd):/),
    ...linesOf(answer, /^a=candidate:/),
    // all that there are stand here (RFC 9725 section 4.3.2)
    'a=end-of-candidates',
  ]
  return `${lines.join('\r\n')}\r\n`
}

/**
 * Whether what a request demands (`If-Match`) holds of an entity: RFC 9110 section 13.1.1. `undefined`: it demands nothing. The asterisk also
 * counts in quotes, as an example of RFC 9725 has it.
 */
export function matchesEntity(
  request: IncomingMessage,
  entity: string | undefined,
): 'any' | boolean | undefined {
  const demanded = request.headers['if-match']?.trim()
  if (demanded === undefined || demanded === '') return undefined
  if (demanded === '*' || demanded === '"*"') return 'any'
  return demanded.split(',').some((tag) => tag.trim() === entity)
}

/** Lets pages of other servers call, as RFC 9725 section 4.2 demands. Nothing here depends on who asks. */
export function allowOrigins(response: ServerResponse): void {
  response.setHeader('Access-Control-Allow-Origin', '*')
  response.setHeader(
    'Access-Control-Expose-Headers',
    'Location, ETag, Accept-Patch, Link, Retry-After, WWW-Authenticate',
  )
}

/** Answers OPTIONS: what may be asked for here, to a page of another server too. */
export function replyOptions(response: ServerResponse, methods: string, accept: object): void {
  response.writeHead(200, {
    ...accept,
    Allow: methods,
    'Access-Control-Allow-Methods': methods,
    'Access-Control-Allow-Headers': 'Authorization, Content-Type, If-Match',
    'Access-Control-Max-Age': '86400',
    'Content-Length': 0,
  })
  response.end()
}
