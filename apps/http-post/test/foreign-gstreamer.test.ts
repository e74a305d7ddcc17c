import { describe, expect, it } from 'vitest'
import { expectSteady, ForeignCall, ForeignPeer, framesOf, hasPeer } from './foreign-peers.ts'

interface Result {
  readonly received: {
    readonly video?: { readonly buffers: number; readonly width: number; readonly height: number }
    readonly audio?: { readonly buffers: number }
  }
  readonly messages: readonly (readonly ['text' | 'binary', number])[]
}

/** Seconds of media that the server must get, and the peer back. */
const THERE = 5
const BACK = 4
/** Pictures a second. */
const RATE = 15

describe.skipIf(!hasPeer('gstreamer'))('[gstreamer] webrtcbin', { timeout: 300_000 }, () => {
  const call = ForeignCall.forEachTest()

  function start(options: object): ForeignPeer {
    return call.start(ForeignPeer.python('gstreamer.py', call.server.address, options))
  }

  // seconds of a frame of audio: Opus has 20 ms, this source's G.711 128 ms
  it.each([
    ['VP8 and Opus', { video: 'VP8', audio: 'OPUS' }, 0.02],
    ['VP8 and Opus with RTX, RED and FEC', { video: 'VP8', audio: 'OPUS', nack: true, fec: true }, 0.02],
    ['VP9 and Opus with RTX', { video: 'VP9', audio: 'OPUS', nack: true }, 0.02],
    ['H.264 and G.711', { video: 'H264', audio: 'PCMU' }, 0.128],
    [
      'H.264 and Opus with RTX, RED and FEC, trickled',
      { video: 'H264', audio: 'OPUS', nack: true, fec: true, trickle: true },
      0.02,
    ],
  ])('publishes %s, and decodes what comes back', async (_, options, audioFrame) => {
    const wanted = { video: RATE * THERE, audio: Math.floor(THERE / audioFrame) }
    const { received } = await start({ ...options, echo: true }).endOnce<Result>(
      (so) =>
        call.has(wanted) &&
        (so.received.video?.buffers ?? 0) >= RATE * BACK &&
        (so.received.audio?.buffers ?? 0) >= Math.floor(BACK / audioFrame),
      `${THERE} s of media there and ${BACK} s back`,
    )
    expect(call.server.calls.size).toBe(0)
    expectSteady(framesOf(call.server, 'video'), wanted.video, 1 / RATE)
    expectSteady(framesOf(call.server, 'audio'), wanted.audio, audioFrame)
    expect(received.video).toMatchObject({ width: 320, height: 240 })
  })

  it('sends and receives messages to 64 KiB, which is what its offer allows', async () => {
    const sizes = [1, 2, 1000, 1160, 1172, 16_384, 65_535, 65_536]
    const { messages } = await start({ echo: true, messages: sizes }).endOnce<Result>(
      (so) => so.messages.length > sizes.length,
      'all messages',
    )
    expect(messages).toEqual([['text', 5], ...sizes.map((size) => ['binary', size])])
  })

  it('media and messages share a transport', async () => {
    const options = { video: 'VP8', audio: 'OPUS', echo: true, trickle: true, messages: [1, 65_536] }
    const { messages } = await start(options).endOnce<Result>(
      (so) => so.messages.length >= 3 && (so.received.video?.buffers ?? 0) >= 2 * RATE,
      'two seconds of pictures, and all messages',
    )
    expect(messages.length).toBe(3)
  })

  it('without BUNDLE, its default: the first section is taken, the other is rejected and does no harm', async () => {
    const peer = start({ video: 'VP8', audio: 'OPUS', echo: true, bundle: false })
    const { received } = await peer.endOnce<Result>(
      (so) => (so.received.video?.buffers ?? 0) >= 2 * RATE,
      'two seconds of pictures',
    )
    expect(peer.find('answer')!['answer']).toContain('m=audio 0 ')
    expect(received.audio).toBeUndefined()
  })

  it('an audio frame larger than a datagram of ours is not echoed, and the server goes on', async () => {
    const large = (): number =>
      framesOf(call.server, 'audio').filter(({ data }) => data.length === 1350).length
    await start({ audio: 'PCMU', samples: 1350, echo: true }).endOnce<Result>(
      () => large() >= 10,
      'ten frames',
    )
    expect(call.server.lines.some((line) => line.includes('NotSent(invalid-frame'))).toBe(true)
  })
})
