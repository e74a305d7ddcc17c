import { Pair } from '@str0m/netem'
import { Candidate, DtlsCertificate, Rtc, type RtcOptions, type Transmit } from '@str0m/rtc'
import type { Instant } from '@str0m/sans-io'
import { BrowserPeer } from '../../../packages/rtc/test/browser-peer.ts'
import { fuzzCrypto } from './crypto.ts'
import { DESCRIPTIONS } from './fixtures.ts'

// A browser's offer, with the credentials of a peer of ours, that an `Rtc` has answered, and a link between the two.

export const certificate: DtlsCertificate = DtlsCertificate.generate({ crypto: fuzzCrypto(61) })

export interface Call {
  readonly rtc: Rtc
  readonly peer: BrowserPeer
  readonly pair: Pair<Rtc, BrowserPeer>
}

/** A datagram as its receiver takes it. */
export function received(now: Instant, { proto, source, destination, contents }: Transmit) {
  return { kind: 'receive', now, proto, source, destination, contents } as const
}

export function makeCall(browser: number, setup: 'active' | 'passive', options: RtcOptions): Call {
  const rtc = new Rtc({ crypto: fuzzCrypto(62), certificate, ...options })
  rtc.addLocalCandidate(Candidate.host('192.0.2.1:5000', 'udp'))
  const peer = new BrowserPeer(DESCRIPTIONS[browser & 1]!, '192.0.2.2:6000', fuzzCrypto(63))
  const answer = rtc.acceptOffer(peer.offer(setup))
  peer.accept(answer)
  const pair = new Pair<Rtc, BrowserPeer>(rtc, peer, { seed: 1, link: { latency: 5 }, receive: received })
  return { rtc, peer, pair }
}
