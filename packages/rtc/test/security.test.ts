import { SeededRandom } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import type { Receive, Rtc, Transmit } from '../src/index.ts'
import { FLIGHT_LIMITS } from '../src/hold-back.ts'
import { datagrams } from './browser-peer.ts'
import { browserCall, connectedCall, eventsOf, PEER_ADDRESS, RTC_ADDRESS } from './harness.ts'

const LINK = { latency: 10 }

function from(source: string, contents: Uint8Array, now: number): Receive {
  const address = (text: string) => ({ address: text.split(':')[0]!, port: Number(text.split(':')[1]) })
  return {
    kind: 'receive',
    now,
    proto: 'udp',
    source: address(source),
    destination: address(RTC_ADDRESS),
    contents,
  }
}

/** A ClientHello of DTLS 1.2 that offers TLS_NULL_WITH_NULL_NULL alone. */
function nullCipherHello(): Uint8Array {
  const body = [0xfe, 0xfd, ...Array.from({ length: 32 }, (_, i) => i), 0, 0, 0, 2, 0, 0, 1, 0]
  const message = [1, 0, 0, body.length, 0, 0, 0, 0, 0, 0, 0, body.length, ...body]
  return Uint8Array.from([22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, message.length, ...message])
}

describe('S1: a ClientHello from off the path', () => {
  it.each(['203.0.113.66:7000', PEER_ADDRESS])('from %s at every step: the call connects', (source) => {
    for (const setup of ['active', 'passive'] as const) {
      const { pair, rtc, peer } = browserCall(21, { setup, link: LINK })
      const inject = (): void => {
        rtc.handleInput(from(source, nullCipherHello(), pair.now))
        for (const contents of datagrams('firefox-dtls-clienthello.hex')) {
          if (source !== PEER_ADDRESS) rtc.handleInput(from(source, contents.slice(), pair.now))
        }
      }
      inject()
      for (let step = 0; step < 400 && !(rtc.connected && peer.transport.connected); step++) {
        pair.runFor(5)
        inject()
      }
      expect(rtc.connected && peer.transport.connected, `a=setup:${setup}`).toBe(true)
    }
  })
})

describe('S10: bad SRTP packets', () => {
  it('are counted and never fatal: after a million of them genuine ones flow', () => {
    const { rtc, peer, pair } = connectedCall(22, { link: LINK })
    const random = new SeededRandom(22)
    const garbage = new Uint8Array(60)
    for (let i = 0; i < 1_000_000; i++) {
      // fresh bytes now and then: the rest of the time the header alone changes
      if (i % 100 === 0) random.fill(garbage)
      garbage[0] = 0x80 | (i & 0x3f)
      garbage[1] = i & 0xff
      garbage[11] = i >>> 8
      rtc.handleInput(from(PEER_ADDRESS, garbage, pair.now))
    }
    peer.sendRtp({
      pt: 111,
      ssrc: 9,
      sequenceNumber: 1,
      timestamp: 0,
      payload: Uint8Array.of(1),
      mid: [4, '0'],
    })
    pair.runFor(50)
    expect(eventsOf(pair.a.events, 'mediaData')).toHaveLength(1)
    expect(rtc.statistics.inbound).toHaveLength(1)
    const dropped = Object.values(rtc.statistics.srtpReceived!.dropped).reduce((sum, count) => sum + count, 0)
    expect(dropped).toBeGreaterThan(990_000)
  }, 60_000)
})

describe('S11: short datagrams', () => {
  it('of every length and first byte do nothing, at every stage', () => {
    const calls = [browserCall(23, { link: LINK }), connectedCall(24, { link: LINK })]
    for (const { rtc, peer, pair } of calls) {
      for (let length = 0; length <= 64; length++) {
        for (let first = 0; first < 256; first += 3) {
          const contents = new Uint8Array(length).fill(0xff)
          if (length > 0) contents[0] = first
          rtc.handleInput(from(PEER_ADDRESS, contents, pair.now))
          rtc.handleInput(from('203.0.113.66:7000', contents.slice(), pair.now))
        }
      }
      pair.runUntil(() => rtc.connected && peer.transport.connected)
      expect(rtc.closed).toBe(false)
    }
  })
})

describe('S13: media from anywhere', () => {
  it('is taken only from a validated path, even with the right keys', () => {
    const { rtc, peer, pair } = connectedCall(25, { link: LINK })
    const sent: Transmit[] = []
    peer.sendRtp({
      pt: 111,
      ssrc: 9,
      sequenceNumber: 1,
      timestamp: 0,
      payload: Uint8Array.of(1),
      mid: [4, '0'],
    })
    for (let out = peer.pollOutput(); out.kind !== 'timeout'; out = peer.pollOutput()) {
      if (out.kind === 'transmit') sent.push(out)
    }
    const packet = sent.at(-1)!.contents
    rtc.handleInput(from('203.0.113.66:7000', packet.slice(), pair.now))
    expect(rtc.statistics.dropped.unvalidatedPath).toBe(1)
    expect(rtc.statistics.inbound).toEqual([])
    rtc.handleInput(from(PEER_ADDRESS, packet, pair.now))
    expect(rtc.statistics.inbound).toHaveLength(1)
  })

  it('before the keys is held back within bounds, and what is held from elsewhere is never used', () => {
    const { rtc, pair } = browserCall(26, { link: LINK })
    const hello = datagrams('chromium-dtls-clienthello.hex')[0]!
    for (let i = 0; i < 10_000; i++) rtc.handleInput(from('203.0.113.66:7000', hello.slice(), pair.now))
    expect(FLIGHT_LIMITS.datagrams * hello.length).toBeLessThanOrEqual(FLIGHT_LIMITS.bytes)
    expect(rtc.statistics.dropped.unvalidatedPath).toBe(10_000 - FLIGHT_LIMITS.datagrams)
    pair.runUntil(() => rtc.connected)
  })
})

describe('S16: consent', () => {
  it('withdrawn: silence by T + 30 s, and not one byte more', () => {
    const { rtc, peer, pair } = connectedCall(27, { link: LINK })
    const transmits: number[] = []
    const poll = rtc.pollOutput.bind(rtc)
    rtc.pollOutput = () => {
      const output = poll()
      if (output.kind === 'transmit') transmits.push(pair.now)
      return output
    }
    pair.runFor(10_000)
    // the peer goes on sending media, but answers no check any more
    const handle = peer.handleInput.bind(peer)
    peer.handleInput = (input) => {
      if (input.kind === 'timeout' || input.contents[0]! > 3) handle(input)
    }
    const withdrawn = pair.now
    for (let i = 0; i < 2000; i++) {
      peer.sendRtp({
        pt: 111,
        ssrc: 9,
        sequenceNumber: i,
        timestamp: 960 * i,
        payload: Uint8Array.of(1),
        mid: [4, '0'],
      })
      pair.runFor(50)
    }
    expect(Math.max(...transmits)).toBeLessThanOrEqual(withdrawn + 30_000)
    expect(rtc.iceState).toBe('failed')
  })
})

describe('a peer that knows no consent', () => {
  it('is received from for as long as it sends, and sent nothing after 30 s but answers to its checks', () => {
    const { rtc, peer, pair } = connectedCall(28, { link: LINK })
    const transmits: { readonly at: number; readonly first: number }[] = []
    let received = 0
    const poll = rtc.pollOutput.bind(rtc)
    rtc.pollOutput = () => {
      const output = poll()
      if (output.kind === 'transmit') transmits.push({ at: pair.now, first: output.contents[0]! })
      else if (output.kind === 'event' && output.event.type === 'mediaData') received++
      return output
    }
    // as FFmpeg's WHIP client does once it is connected: it hears answers to its own checks, and no checks
    const handle = peer.handleInput.bind(peer)
    peer.handleInput = (input) => {
      if (input.kind === 'timeout' || input.contents[0] !== 0) handle(input)
    }
    const connected = pair.now
    for (let i = 0; i < 2000; i++) {
      peer.sendRtp({
        pt: 111,
        ssrc: 9,
        sequenceNumber: i,
        timestamp: 960 * i,
        payload: Uint8Array.of(1),
        mid: [4, '0'],
      })
      pair.runFor(50)
    }
    expect(rtc.iceState).toBe('disconnected')
    expect(received).toBeGreaterThan(1900)
    const late = transmits.filter(({ at }) => at > connected + 30_000)
    expect(late.length).toBeGreaterThan(10)
    expect(new Set(late.map(({ first }) => first))).toEqual(new Set([1]))
    // it is gone
    pair.bToA.addOutage(pair.now, Number.POSITIVE_INFINITY)
    pair.runFor(10_100)
    expect(rtc.iceState).toBe('failed')
  })
})

describe('S22: timers advance', () => {
  it('at every stage of a call, whatever time is given', () => {
    for (let seed = 1; seed <= 30; seed++) {
      const random = new SeededRandom(seed)
      const { rtc, peer, pair } = browserCall(seed, { link: { latency: 10, loss: 0.2 } })
      for (let i = 0; i < 60; i++) {
        pair.runFor(random.integer(200))
        if (i === 40) peer.transport.close()
        expectAdvance(rtc, pair.now, seed)
      }
    }
  })
})

/** Contract, rule 3: after a timeout, there is output or the next one is later. */
function expectAdvance(rtc: Rtc, now: number, seed: number): void {
  for (let i = 0; i < 5; i++) {
    rtc.handleInput({ kind: 'timeout', now })
    let count = 0
    let output = rtc.pollOutput()
    for (; output.kind !== 'timeout'; output = rtc.pollOutput()) count++
    if (count === 0) expect(output.at, `seed ${seed}`).toBeGreaterThan(now)
  }
}
