import { parseSdp } from '@str0m/sdp'
import { describe, expect, it } from 'vitest'
import { type ChangeSet, type Offer, Rtc } from '../src/index.ts'
import { connectedPair, eventsOf, seededCrypto } from './harness.ts'

// RFC 8829 section 5.10: a peer that knows no mid, as gateways to SIP do not, means sections by their place

const withoutMid = (sdp: string): string =>
  sdp.replaceAll(/a=(mid:|group:|extmap:\d+ urn:ietf:params:rtp-hdrext:sdes:mid).*\r\n/g, '')
const anonymous = ({ sdp }: Offer): Offer => ({ type: 'offer', sdp: withoutMid(sdp) })

const onlyAudio = (change: ChangeSet): void => void change.addMedia('audio')

function call(seed: number, change: (change: ChangeSet) => unknown = onlyAudio) {
  return connectedPair({ seed, change, offered: withoutMid })
}

/** A further offer of `a`'s, as one without mids writes it. */
function offerAgain(
  { a, b, pair }: ReturnType<typeof call>,
  edit: (change: ChangeSet) => unknown = () => undefined,
): string {
  const change = a.createOffer()
  edit(change)
  const answer = b.acceptOffer(anonymous(change.apply()))
  a.pendingChanges()!.acceptAnswer(answer)
  pair.runFor(20)
  return answer.sdp
}

describe('sections without a mid', () => {
  it('stay the same through hold and resume: the handle, the sources, what is sent', () => {
    const made = call(1)
    const { b, pair } = made
    const media = b.media('0')!
    const { localStreams } = media
    expect(localStreams).toHaveLength(1)
    const held = offerAgain(made, (change) => change.setDirection('0', 'sendonly'))
    expect(parseSdp(held).media[0]).toMatchObject({ direction: 'recvonly' })
    expect(parseSdp(held).media[0]!.mid).toBeUndefined()
    expect(b.media('0')).toBe(media)
    expect(media.direction).toBe('recvonly')
    const resumed = parseSdp(offerAgain(made, (change) => change.setDirection('0', 'sendrecv')))
    expect(resumed.media[0]!.ssrcs[0]!.ssrc).toBe(localStreams[0]!.ssrc)
    expect(b.media('0')).toBe(media)
    media.writer(media.codecs[0]!.pt).write({ value: 0, clockRate: 48_000 }, Uint8Array.of(1))
    pair.runFor(50)
    expect(eventsOf(pair.a.events, 'mediaData')).toHaveLength(1)
    expect(eventsOf(pair.b.events, 'mediaAdded')).toHaveLength(1)
    expect(eventsOf(pair.b.events, 'mediaChanged').map(({ direction }) => direction)).toEqual([
      'recvonly',
      'sendrecv',
    ])
  })

  it('keep their data channels', () => {
    const made = call(2, (change) => void change.addChannel('data'))
    const { b, pair } = made
    pair.runUntil(() => eventsOf(pair.b.events, 'channelOpen').length > 0)
    offerAgain(made)
    expect(b.channels).toHaveLength(1)
    expect(eventsOf(pair.b.events, 'channelClose')).toEqual([])
  })

  it('are answered as is chosen', () => {
    const offerer = new Rtc({ crypto: seededCrypto(1) })
    const change = offerer.createOffer()
    change.addMedia('audio')
    const offer = anonymous(change.apply())
    const quiet = new Rtc().readOffer(offer).setDirection('0', 'recvonly').setCodecs('0', [0]).accept()
    expect(parseSdp(quiet.sdp).media[0]).toMatchObject({ direction: 'recvonly', formats: ['0'] })
    const none = new Rtc().readOffer(offer).reject('0').accept()
    expect(parseSdp(none.sdp).media[0]).toMatchObject({ port: 0 })
  })

  it('have one where we offer, so that more can be bundled with them', () => {
    const { a, b } = call(3)
    const change = b.createOffer()
    const mid = change.addMedia('video')
    const offer = change.apply()
    expect(parseSdp(offer.sdp).media.map((section) => section.mid)).toEqual(['0', mid])
    expect(parseSdp(offer.sdp).groups).toEqual([{ semantics: 'BUNDLE', mids: ['0', mid] }])
    b.pendingChanges()!.acceptAnswer(a.acceptOffer(offer))
    expect(b.medias.map((media) => [media.mid, media.stopped])).toEqual([
      ['0', false],
      [mid, false],
    ])
    // and who still does not know it means the same one
    expect(b.acceptOffer(anonymous(a.createOffer().apply())).type).toBe('answer')
    expect(b.medias.map((media) => media.mid)).toEqual(['0', mid])
  })

  it('do not take the mid of another one', () => {
    const rtc = new Rtc()
    const offerer = new Rtc()
    const change = offerer.createOffer()
    change.addMedia('audio')
    change.addMedia('audio')
    const [session, first, second] = change
      .apply()
      .sdp.replace('BUNDLE 0 1', 'BUNDLE 0')
      .split(/^(?=m=)/m)
    // the first has none, the second has the one that the first would be given
    const sdp = [session, first!.replace('a=mid:0\r\n', ''), second!.replace('a=mid:1', 'a=mid:0')].join('')
    expect(rtc.readOffer({ type: 'offer', sdp }).medias.map(({ mid }) => mid)).toEqual(['1', '0'])
  })

  it('whose place is used again for another kind are other ones', () => {
    const made = call(4, (change) => {
      change.addMedia('audio')
    })
    const { a, b } = made
    const before = b.media('0')!
    const stopped = parseSdp(offerAgain(made, (change) => change.stopMedia('0')))
    expect(stopped.media[0]!.port).toBe(0)
    expect(before.stopped).toBe(true)
    offerAgain(made, (change) => change.addMedia('video'))
    expect(b.medias).toHaveLength(1)
    expect(b.medias[0]).not.toBe(before)
    expect(b.medias[0]).toMatchObject({ kind: 'video', stopped: false })
    expect(b.medias[0]!.codecs[0]!.kind).toBe('video')
    expect(a.medias[0]).toMatchObject({ kind: 'video', stopped: false })
  })
})
