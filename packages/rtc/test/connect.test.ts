import { describe, expect, it } from 'vitest'
import { Pair } from '@str0m/netem'
import { toHex } from '@str0m/sans-io'
import { Rtc, type RtcOptions, type Transmit } from '../src/index.ts'
import { browserCall, codeOf, eventsOf, negotiatedPair, received, rtcPair } from './harness.ts'

const SEEDS = 200
const MTU = 1200
const BAD = { latency: 20, jitter: 30, loss: 0.3, duplicate: 0.05, reorder: 0.1, reorderDelay: 40 }

/** Keeps what a peer sends. */
function recordTransmits(rtc: Rtc, into: Transmit[]): void {
  const poll = rtc.pollOutput.bind(rtc)
  rtc.pollOutput = () => {
    const output = poll()
    if (output.kind === 'transmit') into.push(output)
    return output
  }
}

describe('two Rtc', () => {
  it('connect over a good link within a few round trips', () => {
    const { pair, a, b } = rtcPair(1, { latency: 10 })
    pair.runUntil(() => a.connected && b.connected)
    expect(pair.now).toBeLessThan(200)
    expect(pair.a.events.map(({ event }) => event.type)).toEqual([
      'mediaAdded',
      'mediaAdded',
      'iceConnectionStateChange',
      'iceConnectionStateChange',
      'connected',
    ])
  })

  it("say what they have agreed on, in the W3C's names", () => {
    const versions = { dtlsVersions: ['DTLS 1.3', 'DTLS 1.2'] } as const
    for (const [options, tlsVersion, dtlsCipher] of [
      [{}, 'FEFD', 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256'],
      [versions, 'FEFC', 'TLS_AES_128_GCM_SHA256'],
    ] as const) {
      const { pair, a, b } = rtcPair(2, { latency: 10 }, options)
      expect(a.statistics.iceRole).toBe('controlling')
      expect(b.statistics.dtlsRole).toBe('unknown')
      expect(a.statistics.selectedCandidatePairChanges).toBe(0)
      expect(a.statistics).not.toHaveProperty('tlsVersion')
      pair.runUntil(() => a.connected && b.connected)
      const agreed = { tlsVersion, dtlsCipher, srtpCipher: 'SRTP_AEAD_AES_128_GCM' }
      expect(a.statistics).toMatchObject({ ...agreed, iceRole: 'controlling', dtlsRole: 'server' })
      expect(b.statistics).toMatchObject({ ...agreed, iceRole: 'controlled', dtlsRole: 'client' })
      expect(a.statistics.selectedCandidatePairChanges).toBe(1)
      const change = a.createOffer()
      change.iceRestart()
      const answer = b.acceptOffer(change.apply())
      a.pendingChanges()!.acceptAnswer(answer)
      pair.runFor(5000)
      expect(a.statistics.selectedCandidatePairChanges).toBeGreaterThan(1)
    }
  })

  it('say by which path they go while ICE is restarted', () => {
    const { pair, a, b } = rtcPair(3, { latency: 200 })
    pair.runUntil(() => a.connected && b.connected)
    const before = a.statistics.selectedCandidatePair!
    expect(before.currentRoundTripTime).toBeCloseTo(0.4, 2)
    const answer = b.acceptOffer(a.createOffer().iceRestart().apply())
    a.pendingChanges()!.acceptAnswer(answer)
    pair.runFor(100)
    expect(a.statistics.selectedCandidatePairChanges).toBe(1)
    expect(a.statistics.selectedCandidatePair?.pair).toEqual(before.pair)
    pair.runFor(5000)
    expect(a.statistics.selectedCandidatePairChanges).toBeGreaterThan(1)
    expect(a.statistics.selectedCandidatePair?.currentRoundTripTime).toBeCloseTo(0.4, 2)
  })

  it('may be given the same object for all datagrams, filled anew: what is held back is not changed with it', () => {
    const link = { latency: 20, reorder: 0.3, reorderDelay: 40 }
    /** What comes of packets that are sent as soon as one side is done, some of which overtake the end of the handshake. */
    const arrivals = (seed: number, reuses: boolean): readonly number[] => {
      const { a, b } = rtcPair(seed, link, { rtpMode: true })
      const reused = {} as ReturnType<typeof received>
      const pair = new Pair(a, b, {
        seed,
        link,
        receive: (now, datagram: Transmit) =>
          reuses ? Object.assign(reused, received(now, datagram)) : received(now, datagram),
      })
      pair.runUntil(() => a.connected || b.connected)
      const [first, second] = a.connected ? [a, pair.b] : [b, pair.a]
      const [media] = first.medias
      for (let i = 0; i < 10; i++) {
        const fields = { pt: media!.codecs[0]!.pt, sequenceNumber: i, timestamp: 960 * i }
        media!.rtpWriter().write(fields, Uint8Array.of(i))
      }
      pair.runFor(1000)
      return eventsOf(second.events, 'rtpPacket').map(({ payload }) => payload[0]!)
    }
    for (let seed = 1; seed <= 30; seed++) {
      const all = arrivals(seed, true)
      expect(all, `seed ${seed}`).toEqual(arrivals(seed, false))
      expect(all.length, `seed ${seed}`).toBe(10)
    }
  })

  it(`connect at 30 % loss each way, with reordering and duplication, in ${SEEDS} seeded runs`, () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { pair, a, b } = rtcPair(seed, BAD)
      const transmits: Transmit[] = []
      recordTransmits(a, transmits)
      recordTransmits(b, transmits)
      pair.runUntil(() => a.connected && b.connected, 40_000)
      const longest = Math.max(...transmits.map(({ contents }) => contents.length))
      expect(longest, `seed ${seed}`).toBeLessThanOrEqual(MTU)
    }
  }, 60_000)

  it('fit a small MTU', () => {
    const { pair, a, b } = rtcPair(3, { latency: 5, loss: 0.1 }, { mtu: 300 })
    const transmits: Transmit[] = []
    recordTransmits(a, transmits)
    recordTransmits(b, transmits)
    pair.runUntil(() => a.connected && b.connected)
    expect(Math.max(...transmits.map(({ contents }) => contents.length))).toBeLessThanOrEqual(300)
  })

  it('do the same at each run, byte for byte', () => {
    const run = (): string[] => {
      const { pair, a, b } = rtcPair(7, BAD)
      const transmits: Transmit[] = []
      recordTransmits(a, transmits)
      recordTransmits(b, transmits)
      pair.runUntil(() => a.connected && b.connected)
      pair.runFor(20_000)
      return transmits.map(({ contents }) => toHex(contents))
    }
    expect(run()).toEqual(run())
  })

  it('wake for keepalives alone when nothing happens', () => {
    const { pair, a, b } = rtcPair(5, { latency: 10 })
    pair.runUntil(() => a.connected && b.connected)
    pair.runFor(20_000)
    const before = pair.a.wakeUps
    pair.runFor(100_000)
    // a consent check every 4 to 6 s
    expect(pair.a.wakeUps - before).toBeLessThan(40)
  })

  it('say goodbye', () => {
    const { pair, a, b } = rtcPair(6, { latency: 10 })
    pair.runUntil(() => a.connected && b.connected)
    a.close()
    pair.runUntil(() => b.closed)
    expect(eventsOf(pair.a.events, 'closed')).toEqual([{ type: 'closed', reason: 'local' }])
    expect(eventsOf(pair.b.events, 'closed')).toEqual([{ type: 'closed', reason: 'remote' }])
    expect(() => a.acceptOffer({ type: 'offer', sdp: '' })).toThrow(
      expect.objectContaining({ code: 'closed' }),
    )
    // closed twice is closed
    a.close()
    const { now } = pair
    pair.runFor(60_000)
    expect(pair.a.events.filter(({ at }) => at > now)).toEqual([])
  })

  it.each(['offerer', 'answerer'] as const)('work with a lite %s', (lite) => {
    const { pair, a, b } = rtcPair(8, { latency: 10 }, {}, lite)
    pair.runUntil(() => a.connected && b.connected)
  })
})

describe("a browser's peer", () => {
  it.each([
    ['chromium', 'actpass'],
    ['chromium', 'active'],
    ['chromium', 'passive'],
    ['firefox', 'actpass'],
    ['firefox', 'active'],
  ] as const)('%s with a=setup:%s', (browser, setup) => {
    const { pair, rtc, peer } = browserCall(11, { browser, setup, link: { latency: 10 } })
    pair.runUntil(() => rtc.connected && peer.transport.connected)
    expect(pair.now).toBeLessThan(300)
  })

  it('connects at 30 % loss each way, whoever opens DTLS', () => {
    for (let seed = 1; seed <= 40; seed++) {
      const { pair, rtc, peer } = browserCall(seed, {
        setup: seed % 2 === 0 ? 'active' : 'passive',
        link: BAD,
      })
      pair.runUntil(() => rtc.connected && peer.transport.connected, 60_000)
    }
  }, 60_000)

  it('ends with the reason where the certificate is not the announced one', () => {
    const { pair, rtc, peer } = browserCall(12, {
      link: { latency: 10 },
      fingerprintOf: browserCall(13).peer,
    })
    pair.runUntil(() => rtc.closed, 60_000)
    expect(rtc.connected).toBe(false)
    expect(peer.transport.outbound).toBeUndefined()
    const [closed] = eventsOf(pair.a.events, 'closed')
    expect(closed).toMatchObject({ reason: 'dtls-failed' })
    expect(closed!.detail).toContain('fingerprint')
  })
})

it.each(['AEAD_AES_256_GCM', 'AES_CM_128_HMAC_SHA1_32'] as const)(
  'connects to a peer that has %s alone, whoever opens DTLS',
  (profile) => {
    for (const dtlsSetup of ['active', 'passive'] as const) {
      const { a, b, pair } = negotiatedPair({ seed: 21, a: { srtpProfiles: [profile] }, b: { dtlsSetup } })
      pair.runUntil(() => a.connected && b.connected, 10_000)
      expect([a.statistics.srtpProfile, b.statistics.srtpProfile]).toEqual([profile, profile])
    }
  },
)

it('an SRTP profile that there is none of is refused at once, and not where DTLS starts', () => {
  const options: RtcOptions = JSON.parse('{ "srtpProfiles": ["SRTP_AES128_CM_HMAC_SHA1_80"] }')
  expect(codeOf(() => new Rtc(options))).toBe('unknown-profile')
})

it.each([
  [['DTLS 1.3'], ['DTLS 1.3']],
  [
    ['DTLS 1.3', 'DTLS 1.2'],
    ['DTLS 1.3', 'DTLS 1.2'],
  ],
  [['DTLS 1.3', 'DTLS 1.2'], ['DTLS 1.2']],
] as const)('connects with %s to a peer with %s, whoever opens DTLS', (ours, theirs) => {
  for (const dtlsSetup of ['active', 'passive'] as const) {
    const options = { a: { dtlsVersions: ours }, b: { dtlsSetup, dtlsVersions: theirs } }
    const { a, b, pair } = negotiatedPair({ seed: 22, ...options })
    pair.runUntil(() => a.connected && b.connected, 10_000)
    expect([a.connected, b.connected]).toEqual([true, true])
  }
})

it('versions of DTLS that there are none of are refused at once', () => {
  for (const dtlsVersions of ['[]', '["DTLS 1.0"]']) {
    const options: RtcOptions = JSON.parse(`{ "dtlsVersions": ${dtlsVersions} }`)
    expect(codeOf(() => new Rtc(options))).toBe('invalid-option')
  }
})
