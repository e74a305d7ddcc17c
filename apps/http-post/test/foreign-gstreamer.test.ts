import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { expectSteady, ForeignPeer, framesOf, hasPeer } from './foreign-peers.ts'
import { startTestServer, type TestServer } from './test-server.ts'

interface Result {
  readonly received: {
    readonly video?: { readonly buffers: number; readonly width: number; readonly height: number }
    readonly audio?: { readonly buffers: number }
  }
  readonly messages: readonly (readonly ['text' | 'binary', number])[]
}

describe.skipIf(!hasPeer('gstreamer'))('[gstreamer] webrtcbin', { timeout: 60_000 }, () => {
  let server: TestServer
  let peer: ForeignPeer | undefined

  beforeEach(async () => {
    server = await startTestServer()
  })
  afterEach(async () => {
    await peer?.end()
    await server.close()
  })

  function start(seconds: number, options: object): ForeignPeer {
    peer = ForeignPeer.python('gstreamer.py', server.address, String(seconds), JSON.stringify(options))
    return peer
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
    const seconds = 6
    const { received } = await start(seconds, { ...options, echo: true }).result<Result>()
    expect(server.calls.size).toBe(0)
    // what it sends before it is connected is lost, and the machine may be busy
    expectSteady(framesOf(server, 'video'), 15 * (seconds - 3), 0.5)
    expectSteady(framesOf(server, 'audio'), (seconds - 3) / audioFrame, 4 * audioFrame)
    expect(received.video).toMatchObject({ width: 320, height: 240 })
    expect(received.video!.buffers).toBeGreaterThan(15 * (seconds - 4))
    expect(received.audio!.buffers).toBeGreaterThan((seconds - 4) / audioFrame)
  })

  it('sends and receives messages to 64 KiB, which is what its offer allows', async () => {
    const sizes = [1, 2, 1000, 1160, 1172, 16_384, 65_535, 65_536]
    const { messages } = await start(4, { echo: true, messages: sizes }).result<Result>()
    expect(messages).toEqual([['text', 5], ...sizes.map((size) => ['binary', size])])
  })

  it('media and messages share a transport', async () => {
    const options = { video: 'VP8', audio: 'OPUS', echo: true, trickle: true, messages: [1, 65_536] }
    const { messages, received } = await start(5, options).result<Result>()
    expect(messages.length).toBe(3)
    expect(received.video!.buffers).toBeGreaterThan(15)
  })

  it('without BUNDLE, its default: the first section is taken, the other is rejected and does no harm', async () => {
    const options = { video: 'VP8', audio: 'OPUS', echo: true, bundle: false }
    const { received } = await start(5, options).result<Result>()
    expect(peer!.find('answer')!['answer']).toContain('m=audio 0 ')
    expect(received.video!.buffers).toBeGreaterThan(15)
    expect(received.audio).toBeUndefined()
  })

  it('an audio frame larger than a datagram of ours is not echoed, and the server goes on', async () => {
    const peer = start(4, { audio: 'PCMU', samples: 1350, echo: true })
    await peer.result<Result>()
    expect(framesOf(server, 'audio').some(({ data }) => data.length === 1350)).toBe(true)
    expect(server.lines.some((line) => line.includes('NotSent(invalid-frame'))).toBe(true)
  })
})
