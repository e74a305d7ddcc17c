import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { buildPion, expectSteady, ForeignPeer, framesOf, hasPeer, makeFilm } from './foreign-peers.ts'
import { OfferingPeer } from './offering-peer.ts'
import { startTestServer, type TestServer } from './test-server.ts'

interface Track {
  readonly packets: number
  readonly frames: number
  readonly lost: number
  readonly codec: string
}

interface Result {
  readonly received: { readonly video?: Track; readonly audio?: Track }
  readonly messages: readonly (readonly ['text' | 'binary', number])[] | null
}

describe.skipIf(!hasPeer('pion'))('[pion] Pion', { timeout: 60_000 }, () => {
  let program: string
  let film: ReturnType<typeof makeFilm>
  let server: TestServer
  let peer: ForeignPeer | undefined

  beforeAll(async () => {
    const directory = await mkdtemp(join(tmpdir(), 'pion-'))
    program = buildPion(directory)
    film = makeFilm(directory)
  }, 300_000)
  beforeEach(async () => {
    server = await startTestServer()
  })
  afterEach(async () => {
    await peer?.end()
    await server.close()
  })

  function start(options: object): ForeignPeer {
    peer = ForeignPeer.pion(program, server.address, JSON.stringify(options))
    return peer
  }

  const { VP8, H264, Opus } = { VP8: 'VP8', H264: 'H264', Opus: 'Opus' } as const

  it.each([
    ['VP8 and Opus', [VP8, Opus], {}],
    ['H.264 and Opus, trickled', [H264, Opus], { trickle: true }],
    ['as DTLS client', [VP8, Opus], { setup: 'active' }],
    ['as DTLS client with an RSA certificate', [VP8, Opus], { setup: 'active', key: 'rsa' }],
    ['as DTLS server with an RSA certificate', [VP8, Opus], { setup: 'passive', key: 'rsa' }],
    ['with a certificate on P-384', [VP8, Opus], { key: 'p384' }],
    ['with AES128_CM_HMAC_SHA1_80', [VP8, Opus], { profile: 'AES128_CM_HMAC_SHA1_80' }],
    ['with AEAD_AES_128_GCM', [VP8, Opus], { profile: 'AEAD_AES_128_GCM' }],
    ['with ICE lite', [VP8, Opus], { lite: true }],
    ['and restarts ICE by an offer', [VP8, Opus], { restartIce: 'offer' }],
    ['and restarts ICE by PATCH', [VP8, Opus], { restartIce: 'patch' }],
    ['and adds a track later', [VP8, Opus], { renegotiate: true }],
    ['and adds a track with an ICE restart', [VP8, Opus], { renegotiate: true, restartIce: 'offer' }],
  ] as const)('publishes %s, and gets it back', async (_, codecs, options) => {
    const seconds = 5
    const files = Object.fromEntries(codecs.map((codec) => [codec, film[codec]]))
    const { received } = await start({ seconds, echo: true, ...files, ...options }).result<Result>()
    expect(server.calls.size).toBe(0)
    const { video, audio } = received
    const audioSeconds = 'renegotiate' in options ? seconds / 2 : seconds
    // a new way may lose the packets that were under way on the old one
    const gap = 'restartIce' in options ? 1 : 0
    expect(video!.frames).toBeGreaterThan(30 * (seconds - 2))
    expect(audio!.frames).toBeGreaterThan(50 * (audioSeconds - 1))
    expect(video!.lost).toBeLessThanOrEqual(gap)
    expect(audio!.lost).toBeLessThanOrEqual(gap)
    if (gap === 0) {
      expectSteady(framesOf(server, 'video'), 30 * (seconds - 2), 0.1)
      expectSteady(framesOf(server, 'audio'), 50 * (audioSeconds - 1), 0.05)
    }
    if ('restartIce' in options && options.restartIce === 'patch') {
      expect(peer!.find('restarted')).toMatchObject({ status: 200 })
      expect(peer!.events.filter(({ state }) => state === 'connected').length).toBe(2)
    }
  })

  it('publishes three encodings, which are told apart', async () => {
    await start({ seconds: 4, VP8: film.VP8, rids: ['q', 'h', 'f'] }).result<Result>()
    const frames = framesOf(server, 'video')
    for (const rid of ['q', 'h', 'f']) {
      const encoding = frames.filter((frame) => frame.rid === rid)
      expectSteady(encoding, 60, 0.1)
    }
  })

  it.each([
    ['ordered', {}],
    ['unordered', { unordered: true }],
    ['as DTLS client', { setup: 'active' }],
    ['beside media', { VP8: true }],
  ])('sends and receives messages, %s', async (_, options) => {
    const sizes = [1, 2, 1000, 1160, 1172, 16_384, 65_534, 65_535]
    const files = 'VP8' in options ? { VP8: film.VP8 } : {}
    const { messages } = await start({
      seconds: 3,
      echo: true,
      messages: sizes,
      ...options,
      ...files,
    }).result<Result>()
    const sent = [['text', 5], ...sizes.map((size) => ['binary', size])]
    const bySize = (a: readonly unknown[], b: readonly unknown[]) => Number(a[1]) - Number(b[1])
    expect(messages!.toSorted(bySize)).toEqual(sent.toSorted(bySize))
  })

  it.each(['active', 'passive'])('answers an offer of ours, DTLS %s', async (setup) => {
    const offering = await OfferingPeer.start(65_535)
    try {
      const options = { seconds: 3, VP8: film.VP8, opus: film.Opus, messages: [1000], setup }
      peer = ForeignPeer.pion(program, 'offer', JSON.stringify(options))
      peer.tell(offering.offer('ours', ['video', 'audio']))
      await peer.until(() => peer!.find('answer') !== undefined, 20_000, 'its answer')
      offering.accept({ type: 'answer', sdp: String(peer.find('answer')!['sdp']) })
      await peer.result<Result>()
      expect(offering.received).toEqual(
        expect.arrayContaining([
          { label: 'ours', data: 'to the browser' },
          { label: 'ours', data: new Uint8Array(65_535).fill(3) },
          { label: 'from-pion', data: 'hello' },
          { label: 'from-pion', data: new Uint8Array(1000) },
        ]),
      )
      for (const mid of ['0', '1']) {
        const frames = offering.frames.filter((frame) => frame.mid === mid)
        expectSteady(frames, 60, 0.1)
      }
    } finally {
      offering.close()
    }
  })
})
