import { nativeCrypto } from '@str0m/crypto'
import { type LinkOptions, Pair } from '@str0m/netem'
import { type Instant, SeededRandom, UsageError } from '@str0m/sans-io'
import {
  Candidate,
  type ChangeSet,
  Rtc,
  type RtcEvent,
  type RtcOptions,
  type Transmit,
} from '../src/index.ts'
import { BrowserPeer, fixture } from './browser-peer.ts'

export const RTC_ADDRESS = '192.0.2.1:5000'
export const PEER_ADDRESS = '192.0.2.2:6000'
const FINGERPRINT = /a=fingerprint:.*/g

/** A datagram as its receiver takes it. */
export function received(now: Instant, { proto, source, destination, contents }: Transmit) {
  return { kind: 'receive', now, proto, source, destination, contents } as const
}

export function seededCrypto(seed: number) {
  return nativeCrypto({ random: new SeededRandom(seed).fill })
}

/** Two `Rtc` that have their descriptions, and a link between them. */
export function rtcPair(
  seed: number,
  link: LinkOptions = {},
  options: RtcOptions = {},
  lite?: 'offerer' | 'answerer',
) {
  return negotiatedPair({
    seed,
    link,
    a: { iceLite: lite === 'offerer', ...options },
    b: { iceLite: lite === 'answerer', ...options },
  })
}

function sendBoth(change: ChangeSet): void {
  change.addMedia('audio', 'sendrecv')
  change.addMedia('video', 'sendrecv')
}

/** Two `Rtc`, of which `a` has offered what `change` says, and a link between them. `offered` and `answered` may change the descriptions on their way. */
export function negotiatedPair({
  seed,
  link = {},
  a: aOptions = {},
  b: bOptions = {},
  change: offer = sendBoth,
  offered = (sdp) => sdp,
  answered = (sdp) => sdp,
}: {
  readonly seed: number
  readonly link?: LinkOptions
  readonly a?: RtcOptions
  readonly b?: RtcOptions
  readonly change?: (change: ChangeSet) => unknown
  readonly offered?: (sdp: string) => string
  readonly answered?: (sdp: string) => string
}) {
  const a = new Rtc({ crypto: seededCrypto(2 * seed), ...aOptions })
  const b = new Rtc({ crypto: seededCrypto(2 * seed + 1), ...bOptions })
  a.addLocalCandidate(Candidate.host(RTC_ADDRESS, 'udp'))
  b.addLocalCandidate(Candidate.host(PEER_ADDRESS, 'udp'))
  const change = a.createOffer()
  offer(change)
  const { sdp } = b.acceptOffer({ type: 'offer', sdp: offered(change.apply().sdp) })
  a.pendingChanges()!.acceptAnswer({ type: 'answer', sdp: answered(sdp) })
  const pair = new Pair(a, b, { seed, link, receive: received })
  return { a, b, pair }
}

/** The same, connected. */
export function connectedPair(settings: Parameters<typeof negotiatedPair>[0]) {
  const made = negotiatedPair(settings)
  made.pair.runUntil(() => made.a.connected && made.b.connected)
  return made
}

/** Two peers that tell each other what there is to know without a description. */
export function directPair(seed: number, link: LinkOptions = { latency: 20 }, options: RtcOptions = {}) {
  const a = new Rtc({ crypto: seededCrypto(2 * seed), ...options })
  const b = new Rtc({ crypto: seededCrypto(2 * seed + 1), ...options })
  a.addLocalCandidate(Candidate.host(RTC_ADDRESS, 'udp'))
  b.addLocalCandidate(Candidate.host(PEER_ADDRESS, 'udp'))
  a.addRemoteCandidate(Candidate.host(PEER_ADDRESS, 'udp'))
  b.addRemoteCandidate(Candidate.host(RTC_ADDRESS, 'udp'))
  const [da, db] = [a.direct(), b.direct()]
  const know = (other: typeof da) => ({
    iceUfrag: other.localIceCredentials.ufrag,
    icePwd: other.localIceCredentials.pwd,
    fingerprints: [other.localFingerprint],
  })
  da.connect({ ...know(db), dtlsRole: 'client' })
  db.connect({ ...know(da), dtlsRole: 'server' })
  const pair = new Pair(a, b, { seed, link, receive: received })
  return { a, b, da, db, pair }
}

/** A browser's peer that has called an `Rtc`, and a link between them. Not yet connected. */
export function browserCall(
  seed: number,
  {
    browser = 'chromium',
    link = {},
    setup = 'actpass',
    fingerprintOf,
    offered = (sdp) => sdp,
    options = {},
  }: {
    browser?: 'chromium' | 'firefox'
    link?: LinkOptions
    setup?: 'actpass' | 'active' | 'passive'
    /** Whose certificate the offer announces, instead of the peer's own. */
    fingerprintOf?: BrowserPeer
    /** May change the offer on its way. */
    offered?: (sdp: string) => string
    options?: RtcOptions
  } = {},
) {
  const rtc = new Rtc({ crypto: seededCrypto(2 * seed), ...options })
  rtc.addLocalCandidate(Candidate.host(RTC_ADDRESS, 'udp'))
  const peer = new BrowserPeer(fixture(`${browser}-offer.sdp`), PEER_ADDRESS, seededCrypto(2 * seed + 1))
  const own = peer.offer(setup)
  const sdp =
    fingerprintOf === undefined
      ? own.sdp
      : own.sdp.replace(FINGERPRINT, FINGERPRINT.exec(fingerprintOf.offer().sdp)![0])
  const answer = rtc.acceptOffer({ type: 'offer', sdp: offered(sdp) })
  peer.accept(answer)
  const pair = new Pair<Rtc, BrowserPeer>(rtc, peer, { seed, link, receive: received })
  return { rtc, peer, pair, answer }
}

/** The same, connected. */
export function connectedCall(seed: number, settings: Parameters<typeof browserCall>[1] = {}) {
  const call = browserCall(seed, settings)
  call.pair.runUntil(() => call.rtc.connected && call.peer.transport.connected)
  return call
}

export function eventsOf<T extends RtcEvent['type']>(
  events: readonly { readonly event: RtcEvent }[],
  type: T,
): Extract<RtcEvent, { type: T }>[] {
  return events
    .map(({ event }) => event)
    .filter((event): event is Extract<RtcEvent, { type: T }> => event.type === type)
}

/** The code of the `UsageError` that a call throws; `undefined` where it throws none. */
export function codeOf(call: () => unknown): string | undefined {
  try {
    call()
  } catch (error) {
    if (error instanceof UsageError) return error.code
    throw error
  }
  return undefined
}
