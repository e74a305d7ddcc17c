import { beforeAll, describe, expect, it } from 'vitest'
import { scratchDirectory } from '../../../vitest.scratch.ts'
import {
  buildPion,
  expectSteady,
  ForeignCall,
  ForeignPeer,
  framesOf,
  hasPeer,
  makeFilm,
} from './foreign-peers.ts'
import { OfferingPeer } from './offering-peer.ts'

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

describe.skipIf(!hasPeer('pion'))('[pion] Pion', { timeout: 300_000 }, () => {
  let program: string
  let film: ReturnType<typeof makeFilm>
  const call = ForeignCall.forEachTest()

  beforeAll(() => {
    const directory = scratchDirectory()
    program = buildPion(directory)
    film = makeFilm(directory)
  }, 300_000)

  function start(options: object): ForeignPeer {
    return call.start(ForeignPeer.pion(program, call.server.address, options))
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
    const files = Object.fromEntries(codecs.map((codec) => [codec, film[codec]]))
    const peer = start({ echo: true, ...files, ...options })
    if ('renegotiate' in options || 'restartIce' in options) {
      await peer.progress<Result>(hasBack({ video: 60 }), 'two seconds of video')
      peer.tell('again')
      await peer.until(() => peer.find('again') !== undefined, 'its new negotiation')
    }
    // what came until then does not count for what has to come after it
    const before = (kind: 'video' | 'audio'): number => framesOf(call.server, kind).length
    const wanted = { video: Math.max(120, 60 + before('video')), audio: Math.max(200, 100 + before('audio')) }
    const connections = (): number => peer.events.filter(({ state }) => state === 'connected').length
    const connectionsWanted = 'restartIce' in options && options.restartIce === 'patch' ? 2 : 1
    const { received } = await peer.endOnce<Result>(
      (so) => call.has(wanted) && hasBack(wanted)(so) && connections() >= connectionsWanted,
      'four seconds of media there and back',
    )
    expect(call.server.calls.size).toBe(0)
    const { video, audio } = received
    // a new way may lose the packets that were under way on the old one
    const gap = 'restartIce' in options ? 1 : 0
    expect(video!.lost).toBeLessThanOrEqual(gap)
    expect(audio!.lost).toBeLessThanOrEqual(gap)
    if (gap === 0) {
      expectSteady(framesOf(call.server, 'video'), wanted.video, 1 / 30)
      expectSteady(framesOf(call.server, 'audio'), wanted.audio, 0.02)
    }
    if ('restartIce' in options && options.restartIce === 'patch') {
      expect(peer.find('restarted')).toMatchObject({ status: 200 })
      expect(connections()).toBe(2)
    }
  })

  it('publishes three encodings, which are told apart', async () => {
    const rids = ['q', 'h', 'f']
    const encoding = (rid: string) => framesOf(call.server, 'video').filter((frame) => frame.rid === rid)
    await start({ VP8: film.VP8, rids }).endOnce<Result>(
      () => rids.every((rid) => encoding(rid).length >= 90),
      'three seconds of each encoding',
    )
    for (const rid of rids) expectSteady(encoding(rid), 90, 1 / 30)
  })

  it.each([
    ['ordered', {}],
    ['unordered', { unordered: true }],
    ['as DTLS client', { setup: 'active' }],
    ['beside media', { VP8: true }],
  ])('sends and receives messages, %s', async (_, options) => {
    const sizes = [1, 2, 1000, 1160, 1172, 16_384, 65_534, 65_535]
    const files = 'VP8' in options ? { VP8: film.VP8 } : {}
    const { messages } = await start({ echo: true, messages: sizes, ...options, ...files }).endOnce<Result>(
      (so) => (so.messages?.length ?? 0) > sizes.length,
      'all messages',
    )
    const sent = [['text', 5], ...sizes.map((size) => ['binary', size])]
    const bySize = (a: readonly unknown[], b: readonly unknown[]) => Number(a[1]) - Number(b[1])
    expect(messages!.toSorted(bySize)).toEqual(sent.toSorted(bySize))
  })

  it.each(['active', 'passive'])('answers an offer of ours, DTLS %s', async (setup) => {
    const options = { VP8: film.VP8, opus: film.Opus, messages: [1000], setup }
    const peer = call.start(ForeignPeer.pion(program, 'offer', options))
    const offering = await OfferingPeer.start(65_535)
    try {
      await offering.call(peer, ['video', 'audio'])
      const mids = ['0', '1']
      await peer.endOnce<Result>(
        () => offering.received.length >= 4 && mids.every((mid) => offering.framesOf(mid).length >= 60),
        'two seconds of media, and the messages',
      )
      expect(offering.received).toEqual(
        expect.arrayContaining([
          { label: 'ours', data: 'to the browser' },
          { label: 'ours', data: new Uint8Array(65_535).fill(3) },
          { label: 'from-pion', data: 'hello' },
          { label: 'from-pion', data: new Uint8Array(1000) },
        ]),
      )
      expectSteady(offering.framesOf('0'), 60, 1 / 30)
      expectSteady(offering.framesOf('1'), 60, 0.02)
    } finally {
      offering.close()
    }
  })
})

/** Whether so many frames of each kind have come back. */
function hasBack(wanted: { readonly video?: number; readonly audio?: number }): (so: Result) => boolean {
  return ({ received }) =>
    (received.video?.frames ?? 0) >= (wanted.video ?? 0) &&
    (received.audio?.frames ?? 0) >= (wanted.audio ?? 0)
}
