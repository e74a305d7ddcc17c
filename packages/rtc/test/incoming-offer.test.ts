import { UsageError } from '@str0m/sans-io'
import { parseSdp } from '@str0m/sdp'
import { describe, expect, it } from 'vitest'
import { Candidate, Rtc } from '../src/index.ts'
import { fixture } from './browser-peer.ts'
import { codeOf, connectedPair, RTC_ADDRESS, seededCrypto } from './harness.ts'

const OFFER = { type: 'offer', sdp: fixture('chromium-offer.sdp') } as const

function fresh(): Rtc {
  const rtc = new Rtc({ crypto: seededCrypto(1) })
  rtc.addLocalCandidate(Candidate.host(RTC_ADDRESS, 'udp'))
  return rtc
}

describe('an offer that is looked at first', () => {
  it('says what is in it, and changes nothing until it is accepted', () => {
    const rtc = fresh()
    const incoming = rtc.readOffer(OFFER)
    expect(incoming.medias.map(({ mid, kind, isNew, direction }) => [mid, kind, isNew, direction])).toEqual([
      ['0', 'audio', true, 'sendrecv'],
      ['1', 'video', true, 'sendrecv'],
    ])
    expect(incoming.medias[1]!.codecs[0]).toMatchObject({ name: 'VP8', pt: 96 })
    expect(incoming).toMatchObject({ hasDataChannels: true, iceRestart: false })
    expect(rtc.medias).toEqual([])
    // the same answer as without a look
    expect(incoming.accept().sdp).toBe(fresh().acceptOffer(OFFER).sdp)
    expect(rtc.medias.length).toBe(2)
  })

  it('refused: it is forgotten, and another one is taken', () => {
    const rtc = fresh()
    rtc.readOffer(OFFER)
    expect(rtc.iceState).toBe('new')
    const change = rtc.createOffer()
    change.addMedia('audio')
    expect(change.apply().type).toBe('offer')
    expect(() => rtc.readOffer(OFFER)).toThrow(expect.objectContaining({ code: 'wrong-state' }))
    expect(() => fresh().readOffer({ type: 'offer', sdp: 'no' })).toThrow(UsageError)
  })

  it('answered in part: a section refused, a direction narrowed, one codec taken', () => {
    const rtc = fresh()
    const incoming = rtc.readOffer(OFFER)
    const h264 = incoming.medias[1]!.codecs.find(({ name }) => name === 'H264')!
    const answer = incoming.reject('0').setDirection('1', 'recvonly').setCodecs('1', [h264.pt]).accept()
    const description = parseSdp(answer.sdp)
    expect(description.media.map(({ port }) => port !== 0)).toEqual([false, true, true])
    expect(description.groups).toEqual([{ semantics: 'BUNDLE', mids: ['1', '2'] }])
    const [, video] = description.media
    expect(video!.direction).toBe('recvonly')
    expect(new Set(video!.payloads.map(({ name }) => name))).toEqual(new Set(['H264', 'rtx']))
    expect(rtc.media('0')).toBeUndefined()
    expect(rtc.media('1')!.codecs.map(({ pt }) => pt)).toEqual([h264.pt])
  })

  it('a direction cannot be widened, and mids and codecs are checked', () => {
    const incoming = fresh().readOffer({
      type: 'offer',
      sdp: OFFER.sdp.replaceAll('a=sendrecv', 'a=sendonly'),
    })
    expect(incoming.medias[0]!.direction).toBe('recvonly')
    const answer = incoming.setDirection('0', 'sendrecv').accept()
    expect(parseSdp(answer.sdp).media[0]!.direction).toBe('recvonly')
    expect(codeOf(() => incoming.reject('9'))).toBe('unknown-mid')
    expect(codeOf(() => incoming.setDirection('2', 'inactive'))).toBe('unknown-mid')
    expect(codeOf(() => incoming.setCodecs('1', [127]))).toBe('unknown-payload-type')
    expect(codeOf(() => incoming.setCodecs('1', []))).toBe('unknown-payload-type')
  })

  it('of a session that stands: what is new, and whether ICE restarts', () => {
    const { a, b } = connectedPair({ seed: 1 })
    const change = a.createOffer().iceRestart()
    change.addMedia('video', 'sendonly', { encodings: [{ rid: 'h' }, { rid: 'q' }] })
    const incoming = b.readOffer(change.apply())
    expect(incoming.iceRestart).toBe(true)
    expect(incoming.medias.map(({ isNew, rids }) => [isNew, rids])).toEqual([
      [false, []],
      [false, []],
      [true, ['h', 'q']],
    ])
    const answer = incoming.reject('1').accept()
    a.pendingChanges()!.acceptAnswer(answer)
    expect(a.media('1')!.stopped).toBe(true)
    expect(b.media('1')!.stopped).toBe(true)
  })
})
