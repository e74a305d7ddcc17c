import type { ChangeSet } from '@str0m/rtc'
import { describe, expect, it } from 'vitest'
import { CallingPeer } from './calling-peer.ts'
import { expectSteady, ForeignCall, ForeignPeer, framesOf, hasPeer } from './foreign-peers.ts'
import { until } from './test-server.ts'

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
  const call = ForeignCall.forEachTest({ tcpPort: 0 })

  function start(options: object): ForeignPeer {
    return call.start(ForeignPeer.python('gstreamer.py', call.server.address, options))
  }

  // seconds of a frame of audio: Opus has 20 ms, this source's G.711 128 ms
  it.each([
    ['VP8 and Opus', { video: 'VP8', audio: 'OPUS' }, 0.02],
    ['VP8 and Opus with RTX, RED and FEC', { video: 'VP8', audio: 'OPUS', nack: true, fec: true }, 0.02],
    ['VP9 and Opus with RTX', { video: 'VP9', audio: 'OPUS', nack: true }, 0.02],
    ['VP8 and Opus by TCP alone', { video: 'VP8', audio: 'OPUS', tcp: true }, 0.02],
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

  it('without BUNDLE, its default: WHIP refuses it (RFC 9725 section 4.4.3)', async () => {
    const peer = start({ video: 'VP8', audio: 'OPUS', bundle: false })
    await peer.until(() => peer.find('answer') !== undefined, 'the answer')
    expect(peer.find('answer')).toMatchObject({ status: 422 })
  })

  it('without BUNDLE, as JSON: the first section is taken, the other is rejected and does no harm', async () => {
    const peer = start({ video: 'VP8', audio: 'OPUS', echo: true, bundle: false, json: true })
    const { received } = await peer.endOnce<Result>(
      (so) => (so.received.video?.buffers ?? 0) >= 2 * RATE,
      'two seconds of pictures',
    )
    expect(peer.find('answer')!['answer']).toContain('m=audio 0 ')
    expect(received.audio).toBeUndefined()
  })

  it.each([
    ['VP8 and Opus, DTLS active', { video: 'VP8', audio: 'OPUS' }, { dtlsSetup: 'active' }, 0.02],
    [
      'VP9 with RTX and G.711, DTLS passive',
      { video: 'VP9', audio: 'PCMU', nack: true },
      { dtlsSetup: 'passive' },
      0.128,
    ],
  ] as const)('answers offers of ours: %s', async (_, options, ours, audioFrame) => {
    const peer = call.start(
      ForeignPeer.python('gstreamer.py', 'offer', { ...options, messages: [1, 65_536] }),
    )
    const offering = await CallingPeer.start(ours)
    const answers = () => peer.events.filter(({ event }) => event === 'answer')
    /** Offers, and takes the answer. */
    async function negotiate<T>(describe: (change: ChangeSet) => T): Promise<T> {
      const before = answers().length
      const described = offering.do((rtc) => {
        const change = rtc.createOffer()
        const made = describe(change)
        peer.tell(change.apply())
        return made
      })
      await peer.until(() => answers().length > before, 'its answer')
      const sdp = String(answers().at(-1)!['sdp'])
      offering.do((rtc) => rtc.pendingChanges()!.acceptAnswer({ type: 'answer', sdp }))
      return described
    }
    try {
      offering.echo = true
      const [audio, video, channel] = await negotiate((change) => [
        change.addMedia('audio'),
        change.addMedia('video'),
        change.addChannel('ours'),
      ])
      await until(() => offering.find('channelOpen', { id: channel }) !== undefined, 'our channel')
      offering.write(channel, 'hello')
      offering.write(channel, new Uint8Array(65_536))
      const enough = (seconds: number): boolean =>
        offering.framesOf(audio).length >= Math.floor(seconds / audioFrame) &&
        offering.framesOf(video).length >= RATE * seconds
      await until(() => enough(2) && offering.messages.length >= 3, 'two seconds of media, and its messages')
      // a section more, which it only takes
      const more = await negotiate((change) => change.addMedia('audio'))
      const had = framesSoFar(peer)
      await until(() => enough(THERE), 'media that goes on')
      const { received, messages } = await peer.endOnce<Result>(
        ({ received: { video: pictures, audio: sounds } }) =>
          (pictures?.buffers ?? 0) >= had + RATE && (sounds?.buffers ?? 0) >= Math.floor(BACK / audioFrame),
        'what was sent back',
      )
      expect(offering.rtc.media(more)!.direction).toBe('sendonly')
      expectSteady(offering.framesOf(audio), Math.floor(THERE / audioFrame), audioFrame)
      expectSteady(offering.framesOf(video), RATE * THERE, 1 / RATE)
      expect(received.video).toMatchObject({ width: 320, height: 240 })
      const lengths = offering.messages.map(({ data }) => data.length)
      expect(lengths).toEqual([5, 1, 65_536])
      expect(messages).toEqual([
        ['text', 5],
        ['binary', 65_536],
      ])
    } finally {
      offering.close()
    }
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

/** Pictures that it has decoded until now. */
function framesSoFar(peer: ForeignPeer): number {
  const latest = peer.events.findLast(({ event }) => event === 'progress') as Result | undefined
  return latest?.received.video?.buffers ?? 0
}
