import { describe, expect, it } from 'vitest'
import { expectSteady, ForeignCall, ForeignPeer, framesOf, hasPeer } from './foreign-peers.ts'
import { OfferingPeer } from './offering-peer.ts'
import { until } from './test-server.ts'

interface Result {
  readonly received: {
    readonly video?: { readonly frames: number; readonly width: number; readonly height: number }
    readonly audio?: { readonly frames: number }
  }
  readonly messages: readonly (readonly ['text' | 'binary', number])[]
  readonly lost: readonly { readonly packetsLost: number }[]
}

const SIZES = [1, 2, 1000, 1160, 1172, 16_384, 65_535, 65_536]

/** Seconds of media that the server must get, and the peer back. */
const THERE = 5
const BACK = 4

describe.skipIf(!hasPeer('aiortc'))('[aiortc] aiortc', { timeout: 300_000 }, () => {
  const call = ForeignCall.forEachTest()

  function start(options: object): ForeignPeer {
    return call.start(ForeignPeer.python('aiortc_peer.py', call.server.address, options))
  }

  it.each([
    ['VP8 and Opus', { video: 'VP8', audio: 'opus' }],
    ['H.264 and G.711', { video: 'H264', audio: 'PCMU' }],
  ])('publishes %s, and decodes what comes back', async (_, options) => {
    const { received, lost } = await start({ ...options, echo: true }).endOnce<Result>(
      (so) =>
        call.has({ video: 30 * THERE, audio: 50 * THERE }) &&
        (so.received.video?.frames ?? 0) >= 30 * BACK &&
        (so.received.audio?.frames ?? 0) >= 50 * BACK &&
        so.lost.length === 2,
      `${THERE} s of media there and ${BACK} s back`,
    )
    expect(call.server.calls.size).toBe(0)
    expectSteady(framesOf(call.server, 'video'), 30 * THERE, 1 / 30)
    expectSteady(framesOf(call.server, 'audio'), 50 * THERE, 0.02)
    expect(received.video).toMatchObject({ width: 320, height: 240 })
    // our reports are understood
    expect(lost.map(({ packetsLost }) => packetsLost)).toEqual([0, 0])
  })

  it.each([
    ['ordered', {}],
    ['unordered', { ordered: false }],
  ])('messages of 1 byte to 64 KiB come back, %s', async (_, options) => {
    const { messages } = await start({ ...options, echo: true, messages: SIZES }).endOnce(
      all(SIZES),
      'all messages',
    )
    const sent = [['text', 5], ...SIZES.map((size) => ['binary', size])]
    expect(messages.toSorted(bySize)).toEqual(sent.toSorted(bySize))
  })

  // one after the other: the largest alone fits into the buffer of a socket that nobody reads for a while
  it('messages that are not sent again come back, where nothing is lost', async () => {
    const options = { maxRetransmits: 0, echo: true, messages: SIZES, paced: true }
    const { messages } = await start(options).endOnce(all(SIZES), 'all messages')
    expect(messages.slice(1).map(([, size]) => size)).toEqual(SIZES)
  })

  it('2 MB of messages come back in order', async () => {
    const sizes = Array.from({ length: 50 }, (_, i) => 40_000 + i)
    const { messages } = await start({ echo: true, messages: sizes }).endOnce(all(sizes), 'all messages')
    expect(messages.map(([, size]) => size)).toEqual([5, ...sizes])
  })

  it('a message above what it takes itself is not echoed, and the server goes on', async () => {
    const { messages } = await start({ echo: true, messages: [262_144, 7] }).endOnce(
      all([7]),
      'the other message',
    )
    expect(messages).toEqual([
      ['text', 5],
      ['binary', 7],
    ])
    expect(call.server.lines.some((line) => line.includes('len: 262144'))).toBe(true)
    expect(call.server.lines.some((line) => line.includes('NotSent(message-too-large'))).toBe(true)
  })

  it('says goodbye by DTLS where it does not DELETE', async () => {
    await start({ audio: 'opus', hangUp: false }).endOnce<Result>(
      () => call.has({ audio: 50 }),
      'a second of sound',
    )
    await until(() => call.server.calls.size === 0, 'the end of the call')
    expect(call.server.lines.at(-1)).toContain('Closed(remote)')
  })

  it('answers an offer of ours, with media and messages both ways', async () => {
    const options = { video: 'VP8', audio: 'opus', messages: [20_000] }
    const peer = call.start(ForeignPeer.python('aiortc_peer.py', 'offer', options))
    const offering = await OfferingPeer.start(65_536)
    try {
      await offering.call(peer, ['audio', 'video'])
      await peer.endOnce<Result>(
        () =>
          offering.received.length >= 3 &&
          offering.framesOf('0').length >= 150 &&
          offering.framesOf('1').length >= 90,
        'three seconds of media, and the messages',
      )
      expect(offering.received.map(({ data }) => data)).toEqual(
        expect.arrayContaining(['to the browser', new Uint8Array(65_536).fill(3), new Uint8Array(20_000)]),
      )
      expectSteady(offering.framesOf('0'), 150, 0.02)
      expectSteady(offering.framesOf('1'), 90, 1 / 30)
    } finally {
      offering.close()
    }
  })
})

/** Whether messages of all sizes have come back, with the text before them. */
function all(sizes: readonly number[]): (so: Result) => boolean {
  return ({ messages }) => messages.length >= sizes.length + 1
}

function bySize(a: readonly (string | number)[], b: readonly (string | number)[]): number {
  return Number(a[1]) - Number(b[1])
}
