import { SeededRandom } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import { DtlsCertificate, Rtc, type Transmit } from '../src/index.ts'
import { fixture } from './browser-peer.ts'
import { browserCall, connectedCall, received } from './harness.ts'

const SEEDS = 60
/** Made once: what is tested with it does not look at it. */
const shared = DtlsCertificate.generate()

/** Changes a datagram a little: flipped bits, other lengths, pieces of itself, a first byte of another protocol. */
function mutate(contents: Uint8Array, random: SeededRandom): Uint8Array {
  let bytes = contents.slice()
  for (let count = 1 + random.integer(3); count > 0; count--) {
    const at = bytes.length === 0 ? 0 : random.integer(bytes.length)
    switch (random.integer(7)) {
      case 0:
        if (bytes.length > 0) bytes[at]! ^= 1 << random.integer(8)
        break
      case 1:
        if (bytes.length > 0) bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random.integer(5)]!
        break
      case 2:
        bytes = bytes.slice(0, at)
        break
      case 3:
        bytes = Uint8Array.from([
          ...bytes.subarray(0, at),
          ...bytes.subarray(0, random.integer(40)),
          ...bytes.subarray(at),
        ])
        break
      case 4:
        bytes = Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(at + random.integer(20))])
        break
      case 5:
        if (bytes.length > 0) bytes[0] = [0, 1, 20, 21, 22, 23, 25, 64, 128, 144, 200][random.integer(11)]!
        break
      default:
        if (bytes.length > 16) bytes[13 + random.integer(3)] = random.integer(256)
    }
  }
  return bytes
}

describe('whole endpoints in mid-handshake', () => {
  it(`take ${SEEDS} seeds of mutated datagrams beside the genuine ones, and connect`, () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const random = new SeededRandom(seed)
      const { rtc, peer, pair } = browserCall(seed, {
        setup: seed % 2 === 0 ? 'active' : 'passive',
        link: { latency: 10 },
      })
      const poll = peer.pollOutput.bind(peer)
      const injected: Transmit[] = []
      peer.pollOutput = () => {
        const output = poll()
        if (output.kind === 'transmit' && random.chance(0.7)) injected.push(output)
        return output
      }
      for (let step = 0; step < 3000 && !(rtc.connected && peer.transport.connected); step++) {
        pair.runFor(10)
        for (const output of injected.splice(0)) {
          rtc.handleInput(received(pair.now, { ...output, contents: mutate(output.contents, random) }))
        }
      }
      expect(rtc.connected && peer.transport.connected, `seed ${seed}`).toBe(true)
      expect(rtc.closed, `seed ${seed}`).toBe(false)
    }
  }, 120_000)

  it('take mutated datagrams when connected, and media still flows', () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const random = new SeededRandom(seed)
      const { rtc, peer, pair } = connectedCall(seed, { link: { latency: 10 } })
      for (let i = 0; i < 50; i++) {
        peer.sendRtp({
          pt: i % 2 === 0 ? 111 : 96,
          ssrc: i % 2,
          sequenceNumber: i >> 1,
          timestamp: 960 * i,
          payload: Uint8Array.of(0x10, i, 2, 3),
          marker: true,
          mid: [4, String(i % 2)],
        })
        peer.sendRtcp([{ type: 'goodbye', ssrcs: [random.u32()] }])
        for (let out = peer.pollOutput(); out.kind !== 'timeout'; out = peer.pollOutput()) {
          if (out.kind !== 'transmit') continue
          rtc.handleInput(received(pair.now, { ...out, contents: mutate(out.contents, random) }))
          rtc.handleInput(received(pair.now, out))
        }
        pair.runFor(20)
      }
      const frames = pair.a.events.filter(({ event }) => event.type === 'mediaData')
      expect(frames.length, `seed ${seed}`).toBe(50)
      expect(rtc.connected, `seed ${seed}`).toBe(true)
    }
  }, 60_000)
})

describe('descriptions', () => {
  it('that are mutated are answered or refused with a UsageError, and nothing else', () => {
    for (const name of ['chromium-offer.sdp', 'firefox-offer.sdp']) {
      const original = Buffer.from(fixture(name))
      for (let seed = 1; seed <= 300; seed++) {
        const random = new SeededRandom(seed)
        const rtc = new Rtc({ certificate: shared })
        const sdp = Buffer.from(mutate(original, random)).toString('latin1')
        try {
          expect(rtc.acceptOffer({ type: 'offer', sdp }).type).toBe('answer')
        } catch (error) {
          expect(error, `seed ${seed} of ${name}`).toMatchObject({ code: expect.stringMatching(/^invalid-/) })
        }
      }
    }
  })
})
