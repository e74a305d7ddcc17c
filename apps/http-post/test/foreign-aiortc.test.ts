import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { expectSteady, ForeignPeer, framesOf, hasPeer } from './foreign-peers.ts'
import { OfferingPeer } from './offering-peer.ts'
import { startTestServer, type TestServer, until } from './test-server.ts'

interface Result {
  readonly received: {
    readonly video?: { readonly frames: number; readonly width: number; readonly height: number }
    readonly audio?: { readonly frames: number }
  }
  readonly messages: readonly (readonly ['text' | 'binary', number])[]
  readonly lost: readonly { readonly packetsLost: number }[]
}

const SIZES = [1, 2, 1000, 1160, 1172, 16_384, 65_535, 65_536]

describe.skipIf(!hasPeer('aiortc'))('[aiortc] aiortc', { timeout: 60_000 }, () => {
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
    peer = ForeignPeer.python('aiortc_peer.py', server.address, String(seconds), JSON.stringify(options))
    return peer
  }

  it.each([
    ['VP8 and Opus', { video: 'VP8', audio: 'opus' }],
    ['H.264 and G.711', { video: 'H264', audio: 'PCMU' }],
  ])('publishes %s, and decodes what comes back', async (_, options) => {
    const seconds = 6
    const { received, lost } = await start(seconds, { ...options, echo: true }).result<Result>()
    expect(server.calls.size).toBe(0)
    expectSteady(framesOf(server, 'video'), 30 * (seconds - 3), 0.5)
    expectSteady(framesOf(server, 'audio'), 50 * (seconds - 3), 0.1)
    expect(received.video).toMatchObject({ width: 320, height: 240 })
    expect(received.video!.frames).toBeGreaterThan(30 * (seconds - 4))
    expect(received.audio!.frames).toBeGreaterThan(50 * (seconds - 4))
    // our reports are understood
    expect(lost.map(({ packetsLost }) => packetsLost)).toEqual([0, 0])
  })

  it.each([
    ['ordered', {}],
    ['unordered', { ordered: false }],
  ])('messages of 1 byte to 64 KiB come back, %s', async (_, options) => {
    const { messages } = await start(4, { ...options, echo: true, messages: SIZES }).result<Result>()
    const sent = [['text', 5], ...SIZES.map((size) => ['binary', size])]
    expect(messages.toSorted(bySize)).toEqual(sent.toSorted(bySize))
  })

  it('messages that are not sent again come back, where nothing is lost', async () => {
    const options = { maxRetransmits: 0, echo: true, messages: SIZES }
    const { messages } = await start(4, options).result<Result>()
    expect(messages.slice(1).map(([, size]) => size)).toEqual(SIZES)
  })

  it('2 MB of messages come back in order', async () => {
    const sizes = Array.from({ length: 50 }, (_, i) => 40_000 + i)
    const { messages } = await start(8, { echo: true, messages: sizes }).result<Result>()
    expect(messages.map(([, size]) => size)).toEqual([5, ...sizes])
  })

  it('a message above what it takes itself is not echoed, and the server goes on', async () => {
    const { messages } = await start(4, { echo: true, messages: [262_144, 7] }).result<Result>()
    expect(messages).toEqual([
      ['text', 5],
      ['binary', 7],
    ])
    expect(server.lines.some((line) => line.includes('len: 262144'))).toBe(true)
    expect(server.lines.some((line) => line.includes('NotSent(message-too-large'))).toBe(true)
  })

  it('says goodbye by DTLS where it does not DELETE', async () => {
    await start(3, { audio: 'opus', hangUp: false }).result<Result>()
    await until(() => server.calls.size === 0, 5000, 'the end of the call')
    expect(server.lines.at(-1)).toContain('Closed(remote)')
  })

  it('answers an offer of ours, with media and messages both ways', async () => {
    const offering = await OfferingPeer.start(65_536)
    try {
      const options = { video: 'VP8', audio: 'opus', messages: [20_000] }
      peer = ForeignPeer.python('aiortc_peer.py', 'offer', '6', JSON.stringify(options))
      peer.tell(offering.offer('ours', ['audio', 'video']))
      await peer.until(() => peer!.find('answer') !== undefined, 20_000, 'its answer')
      offering.accept({ type: 'answer', sdp: String(peer.find('answer')!['sdp']) })
      await peer.result<Result>()
      expect(offering.received.map(({ data }) => data)).toEqual(
        expect.arrayContaining(['to the browser', new Uint8Array(65_536).fill(3)]),
      )
      const kinds = ['audio', 'video'].map(
        (_, i) => offering.frames.filter(({ mid }) => mid === String(i)).length,
      )
      expect(Math.min(...kinds)).toBeGreaterThan(60)
    } finally {
      offering.close()
    }
  })
})

function bySize(a: readonly (string | number)[], b: readonly (string | number)[]): number {
  return Number(a[1]) - Number(b[1])
}
