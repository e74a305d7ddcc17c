import { parseSdp } from '@str0m/sdp'
import { describe, expect, it } from 'vitest'
import { type Answer, type Offer, Rtc } from '../src/index.ts'
import { codeOf } from './harness.ts'

/** The MediaStream of each section, as `a=msid` has it. */
const streamsOf = ({ sdp }: Offer | Answer): (string | undefined)[] =>
  parseSdp(sdp).media.map(({ msids }) => msids[0]?.stream)

describe('the MediaStreams that what is sent belongs to, RFC 8830', () => {
  it('is one for all of a session', () => {
    const change = new Rtc().createOffer()
    change.addMedia('audio')
    change.addMedia('video', 'sendonly')
    change.addMedia('video', 'recvonly')
    const [audio, video, received] = streamsOf(change.apply())
    expect(audio).toMatch(/./)
    expect([video, received]).toEqual([audio, undefined])
  })

  it('or the one that is said, for each source that is forwarded; it stays', () => {
    const [rtc, peer] = [new Rtc(), new Rtc()]
    const change = rtc.createOffer()
    for (const streamId of ['alice', 'bob']) {
      change.addMedia('audio', 'sendonly', { streamId })
      change.addMedia('video', 'sendonly', { streamId })
    }
    const later = change.addMedia('video', 'recvonly', { streamId: 'carol' })
    const offer = change.apply()
    expect(streamsOf(offer)).toEqual(['alice', 'alice', 'bob', 'bob', undefined])
    // where a source is named it says the same
    expect(parseSdp(offer.sdp).media[2]!.ssrcs[0]!.attributes).toContainEqual({
      name: 'msid',
      value: expect.stringMatching(/^bob [0-9a-f]+$/) as string,
    })
    rtc.pendingChanges()!.acceptAnswer(peer.acceptOffer(offer))
    const again = rtc.createOffer().setDirection('0', 'inactive').setDirection(later, 'sendrecv')
    again.stopMedia('3')
    const mid = again.addMedia('video', 'sendonly', { streamId: 'dan' })
    const second = again.apply()
    expect(rtc.media(mid)).toBeUndefined()
    expect(streamsOf(second)).toEqual(['alice', 'alice', 'bob', undefined, 'carol', 'dan'])
    rtc.pendingChanges()!.acceptAnswer(peer.acceptOffer(second))
    // the place of the stopped one serves again
    const third = rtc.createOffer()
    third.addMedia('audio', 'sendonly', { streamId: 'eve' })
    expect(streamsOf(third.apply())).toEqual(['alice', 'alice', 'bob', 'eve', 'carol', 'dan'])
  })

  it('of an answer too, and an offer of ours goes on with it', () => {
    const [rtc, peer] = [new Rtc(), new Rtc()]
    const change = peer.createOffer()
    change.addMedia('audio', 'recvonly')
    change.addMedia('video', 'recvonly')
    const incoming = rtc.readOffer(change.apply()).setStreamId('0', 'alice').setStreamId('1', '-')
    const answer = incoming.accept()
    expect(streamsOf(answer)).toEqual(['alice', '-'])
    peer.pendingChanges()!.acceptAnswer(answer)
    expect(streamsOf(rtc.createOffer().apply())).toEqual(['alice', '-'])
    rtc.pendingChanges()!.rollback()
    // RFC 8829 section 5.3.2: it stays the same
    expect(streamsOf(rtc.readOffer(peer.createOffer().apply()).setStreamId('0', 'bob').accept())).toEqual([
      'alice',
      '-',
    ])
  })

  it('refuses what is no id of one', () => {
    const change = new Rtc().createOffer()
    const codes = ['', 'a b', 'a\r\nb', 'é', 'a'.repeat(65), 'a:b'].map((streamId) =>
      codeOf(() => change.addMedia('audio', 'sendonly', { streamId })),
    )
    expect(new Set(codes)).toEqual(new Set(['invalid-option']))
    const longest = `{${'a'.repeat(62)}}`
    change.addMedia('audio', 'sendonly', { streamId: longest })
    const incoming = new Rtc().readOffer(change.apply())
    expect(codeOf(() => incoming.setStreamId('0', 'a b'))).toBe('invalid-option')
    expect(codeOf(() => incoming.setStreamId('9', 'a'))).toBe('unknown-mid')
  })
})
