import { parseSdp } from '@str0m/sdp'
import { describe, expect, it } from 'vitest'
import { Candidate, type ChangeSet, Rtc } from '../src/index.ts'
import { codeOf, connectedPair, eventsOf, negotiatedPair, RTC_ADDRESS, seededCrypto } from './harness.ts'

// RFC 9143, of an endpoint that has one transport

function all(change: ChangeSet): void {
  change.addMedia('audio')
  change.addMedia('video')
  change.addChannel('data')
}

/** Lines of one section of a description are changed. */
function inSection(index: number, edit: (section: string) => string): (sdp: string) => string {
  return (sdp) =>
    sdp
      .split(/^(?=m=)/m)
      .map((part, i) => (i === index + 1 ? edit(part) : part))
      .join('')
}

const ungrouped = (sdp: string): string => sdp.replace(/a=group:BUNDLE.*\r\n/, '')
const grouped =
  (mids: string) =>
  (sdp: string): string =>
    sdp.replace(/a=group:BUNDLE.*/, `a=group:BUNDLE ${mids}`)
/** As a section that has a transport of its own, which nobody answers at. */
const elsewhere = (section: string): string =>
  section.replace(/a=ice-ufrag:.*/, 'a=ice-ufrag:else').replace(/a=ice-pwd:.*/, `a=ice-pwd:${'x'.repeat(24)}`)
const atPort0 = (section: string): string =>
  section.replace(/^(m=\S+) \d+/, '$1 0').replace(/\r\n$/, '\r\na=bundle-only\r\n')
const withoutTransport = (section: string): string =>
  section.replaceAll(/a=(ice-ufrag|ice-pwd|ice-options|fingerprint|setup|candidate).*\r\n/g, '')

const ports = (sdp: string): boolean[] => parseSdp(sdp).media.map(({ port }) => port !== 0)
const group = (sdp: string): readonly string[] | undefined => parseSdp(sdp).groups[0]?.mids

/** Offers, edited on the way, and answers: what the answer is, and that what it accepts works. */
function answerTo(
  seed: number,
  offered: (sdp: string) => string,
  change: (change: ChangeSet) => unknown = all,
) {
  let answer = ''
  const made = connectedPair({
    seed,
    change,
    offered,
    answered: (sdp) => {
      answer = sdp
      return sdp
    },
  })
  const { a, pair } = made
  for (const media of a.medias.filter(({ stopped }) => !stopped)) {
    const { pt, clockRate } = media.codecs.find(({ name }) => name === 'opus' || name === 'VP8')!
    media.writer(pt).write({ value: 0, clockRate }, Uint8Array.of(0x10, 1, 2), { keyframe: true })
  }
  pair.runFor(500)
  const mids = new Set(eventsOf(pair.b.events, 'mediaData').map(({ mid }) => mid))
  return {
    ...made,
    answer,
    ports: ports(answer),
    group: group(answer),
    arrived: [...mids],
    channels: eventsOf(pair.b.events, 'channelOpen').length,
  }
}

describe('an offer without BUNDLE', () => {
  it('has its first section taken, and the others rejected', () => {
    expect(answerTo(1, ungrouped)).toMatchObject({
      ports: [true, false, false],
      group: undefined,
      arrived: ['0'],
      channels: 0,
    })
  })

  it('with a transport for each section, whichever it is that is taken', () => {
    const others = (sdp: string) => inSection(2, elsewhere)(inSection(1, elsewhere)(ungrouped(sdp)))
    expect(answerTo(2, others)).toMatchObject({ ports: [true, false, false], arrived: ['0'] })
    const second = (sdp: string) => {
      const tagged = inSection(
        1,
        (part) => `${part}a=candidate:1 1 udp 1 ${RTC_ADDRESS.replace(':', ' ')} typ host\r\n`,
      )
      const unknown = inSection(0, (part) => elsewhere(part).replaceAll(/(a=rtpmap:\d+ )/g, '$1x-'))
      return tagged(unknown(ungrouped(sdp)))
    }
    expect(answerTo(3, second)).toMatchObject({
      ports: [false, true, false],
      group: undefined,
      arrived: ['1'],
    })
  })

  it('has data channels alone, where they come first', () => {
    const change = (set: ChangeSet) => {
      set.addChannel('data')
      set.addMedia('audio')
    }
    // the data section is offered last
    const first = (sdp: string) => {
      const [session, audio, data] = ungrouped(sdp).split(/^(?=m=)/m)
      return [session, audio!.replace(/^m=audio \d+/, 'm=audio 0'), data].join('')
    }
    expect(answerTo(4, first, change)).toMatchObject({ ports: [false, true], group: undefined, channels: 1 })
  })

  it('of a later time keeps the section that stands, and stops what it does not bundle any more', () => {
    const { a, b, pair } = connectedPair({ seed: 5, change: all })
    const again = a.createOffer()
    again.setDirection('0', 'sendonly')
    const first = b.acceptOffer({ type: 'offer', sdp: ungrouped(again.apply().sdp) })
    expect(ports(first.sdp)).toEqual([true, false, false])
    a.pendingChanges()!.acceptAnswer(first)
    expect(b.media('1')!.stopped).toBe(true)
    expect(a.media('1')!.stopped).toBe(true)
    pair.runFor(100)
    expect(a.connected && b.connected).toBe(true)

    // one that stands comes before one that is new, though that stands before it
    const other = connectedPair({
      seed: 6,
      change: all,
      offered: (sdp) => inSection(0, (part) => part.replaceAll(/(a=rtpmap:\d+ )/g, '$1x-'))(sdp),
    })
    expect(other.b.media('0')).toBeUndefined()
    const change = other.a.createOffer()
    change.addMedia('audio')
    const { sdp } = change.apply()
    expect(ports(other.b.acceptOffer({ type: 'offer', sdp: ungrouped(sdp) }).sdp)).toEqual([
      false,
      true,
      false,
    ])
  })
})

describe('an offer with sections outside of its group', () => {
  it.each([
    ['0 1', [true, true, false], ['0', '1'], 0],
    ['0 2', [true, false, true], ['0', '2'], 1],
    ['0', [true, false, false], ['0'], 0],
  ])('has those of the group taken, and no others: %s', (mids, accepted, group, channels) => {
    const outside = (sdp: string) =>
      [1, 2].reduce(
        (text, i) => (mids.includes(String(i)) ? text : inSection(i, elsewhere)(text)),
        grouped(mids)(sdp),
      )
    expect(answerTo(10, outside)).toMatchObject({ ports: accepted, group, channels })
  })

  it('has the second group taken where the first has nothing that is known', () => {
    const two = (sdp: string) =>
      inSection(0, (part) => elsewhere(part).replaceAll(/(a=rtpmap:\d+ )/g, '$1x-'))(
        sdp.replace('a=group:BUNDLE 0 1 2', 'a=group:BUNDLE 0\r\na=group:BUNDLE 1 2'),
      )
    expect(answerTo(11, two)).toMatchObject({
      ports: [false, true, true],
      group: ['1', '2'],
      arrived: ['1'],
      channels: 1,
    })
  })

  it('has a section of no group taken where nothing of the group is known, and no group answered', () => {
    const change = (set: ChangeSet) => {
      set.addMedia('audio')
      set.addMedia('video')
    }
    const outside = (sdp: string) =>
      inSection(0, (part) => elsewhere(part).replaceAll(/(a=rtpmap:\d+ )/g, '$1x-'))(grouped('0')(sdp))
    expect(answerTo(12, outside, change)).toMatchObject({
      ports: [false, true],
      group: undefined,
      arrived: ['1'],
    })
  })
})

describe('the transport of a group (RFC 9143 section 7.3.1)', () => {
  it('is that of the section that the group names first, as of one who does not know yet that it is bundled', () => {
    // bundlePolicy balanced or max-compat: each section has a transport of its own
    const own = (sdp: string) => inSection(2, elsewhere)(inSection(0, elsewhere)(grouped('1 0 2')(sdp)))
    const made = answerTo(20, own)
    expect(made).toMatchObject({ group: ['1', '0', '2'], arrived: ['0', '1'], channels: 1 })
    // and the answer tells its candidates there
    expect(parseSdp(made.answer).media.map(({ candidates }) => candidates.length)).toEqual([0, 1, 0])
  })

  it('is that of the next one where the first is rejected', () => {
    const next = (sdp: string) =>
      inSection(0, (part) => elsewhere(part).replaceAll(/(a=rtpmap:\d+ )/g, '$1x-'))(sdp)
    expect(answerTo(21, next)).toMatchObject({
      ports: [false, true, true],
      group: ['1', '2'],
      arrived: ['1'],
    })
  })

  it('is that of the one that has a port, where the others are bundle-only', () => {
    const only = (sdp: string) =>
      inSection(1, (part) => atPort0(withoutTransport(part)))(
        inSection(2, (part) => atPort0(withoutTransport(part)))(grouped('1 0 2')(sdp)),
      )
    expect(answerTo(22, only)).toMatchObject({
      ports: [true, true, true],
      group: ['0', '1', '2'],
      arrived: ['0', '1'],
      channels: 1,
    })
    // RFC 8829 section 5.3.1
    expect(answerTo(23, only).answer).not.toContain('bundle-only')
  })

  it('of bundle-only sections alone is refused where none has one', () => {
    const rtc = new Rtc({ crypto: seededCrypto(1) })
    const change = new Rtc({ crypto: seededCrypto(2) }).createOffer()
    all(change)
    const { sdp } = change.apply()
    const edited = [0, 1, 2].reduce(
      (text, i) => inSection(i, (part) => atPort0(withoutTransport(part)))(text),
      sdp,
    )
    expect(codeOf(() => rtc.acceptOffer({ type: 'offer', sdp: edited }))).toBe('invalid-offer')
    expect(rtc.medias).toEqual([])
  })

  it('moves with the choice to reject its section', () => {
    const b = new Rtc({ crypto: seededCrypto(3) })
    b.addLocalCandidate(Candidate.host(RTC_ADDRESS, 'udp'))
    const change = new Rtc({ crypto: seededCrypto(4) }).createOffer()
    all(change)
    const { sdp } = b.readOffer(change.apply()).reject('0').accept()
    expect(group(sdp)).toEqual(['1', '2'])
    expect(parseSdp(sdp).media.map(({ candidates }) => candidates.length)).toEqual([0, 1, 0])
  })
})

describe('what is said of the transport in the first section alone (RFC 9143 section 7.1.3)', () => {
  const SHARED = /a=(ice-ufrag|ice-pwd|ice-options|fingerprint|setup|candidate|rtcp-mux|rtcp-rsize).*\r\n/g
  /** As RFC 8829 section 7.3 has its second offer and answer. */
  const asLater = (sdp: string): string =>
    sdp
      .split(/^(?=m=)/m)
      .map((part, i) => (i < 2 ? part : part.replaceAll(SHARED, '')))
      .join('')

  it('goes for the others in an offer, also where they are bundle-only', () => {
    expect(answerTo(60, asLater)).toMatchObject({
      ports: [true, true, true],
      arrived: ['0', '1'],
      channels: 1,
    })
    const bundleOnly = (sdp: string) => inSection(1, atPort0)(asLater(sdp))
    expect(answerTo(61, bundleOnly)).toMatchObject({ ports: [true, true, true], arrived: ['0', '1'] })
  })

  it('goes for them where the first one is of data channels', () => {
    const { a, b } = connectedPair({ seed: 62, change: (change) => change.addChannel('data') })
    const more = a.createOffer()
    more.addMedia('audio')
    const { sdp } = more.apply()
    const withMux = inSection(0, (section) => section.replace('a=mid:', 'a=rtcp-mux\r\na=mid:'))
    const answer = b.acceptOffer({ type: 'offer', sdp: withMux(asLater(sdp)) })
    expect(parseSdp(answer.sdp).media.map(({ kind, port }) => [kind, port !== 0])).toEqual([
      ['application', true],
      ['audio', true],
    ])
  })

  it('goes for them in an answer', () => {
    const { a, pair } = connectedPair({ seed: 63, change: all, answered: asLater })
    expect(a.medias.every(({ stopped }) => !stopped)).toBe(true)
    pair.runFor(100)
    expect(a.connected).toBe(true)
  })

  it('is not said: RTCP would go another way', () => {
    const noMux = (sdp: string): string => sdp.replaceAll('a=rtcp-mux\r\n', '')
    expect(codeOf(() => negotiatedPair({ seed: 64, answered: noMux }))).toBe('invalid-answer')
    expect(codeOf(() => negotiatedPair({ seed: 65, answered: inSection(0, noMux) }))).toBe('invalid-answer')
    // of data channels there is no RTCP
    const change = (set: ChangeSet): void => void set.addChannel('data')
    expect(codeOf(() => negotiatedPair({ seed: 66, change, answered: noMux }))).toBeUndefined()
  })
})

describe('the section whose transport the others share (RFC 9143 section 7.3.3)', () => {
  it('is not rejected alone in a session that stands', () => {
    const { a, b, pair } = connectedPair({ seed: 70, change: all })
    const again = () => {
      const change = a.createOffer()
      change.setDirection('0', 'sendrecv')
      return change.apply()
    }
    const refused = b.readOffer(again()).reject('0')
    expect(codeOf(() => refused.accept())).toBe('tagged-section')
    expect(b.media('0')!.stopped).toBe(false)
    a.pendingChanges()!.rollback()
    // another is, and this one may go silent
    const { sdp } = b.readOffer(again()).reject('1').setDirection('0', 'inactive').accept()
    expect([ports(sdp), group(sdp)]).toEqual([
      [true, false, true],
      ['0', '2'],
    ])
    a.pendingChanges()!.acceptAnswer({ type: 'answer', sdp })
    expect(a.media('0')).toMatchObject({ stopped: false, direction: 'inactive' })
    pair.runFor(100)
    expect(a.connected && b.connected).toBe(true)
  })

  it('has an offer refused in which it cannot be taken any more', () => {
    const { a, b } = connectedPair({ seed: 71, change: all })
    const change = a.createOffer()
    change.setDirection('1', 'sendrecv')
    const sdp = inSection(0, (part) => part.replaceAll(/(a=rtpmap:\d+ )/g, '$1x-'))(change.apply().sdp)
    expect(codeOf(() => b.acceptOffer({ type: 'offer', sdp }))).toBe('invalid-offer')
    expect(b.media('0')!.stopped).toBe(false)
  })

  it('may be rejected with all others, and where the offer stops it', () => {
    const { a, b } = connectedPair({
      seed: 72,
      change: (change) => {
        change.addMedia('audio')
        change.addMedia('video')
      },
    })
    const change = a.createOffer()
    change.stopMedia('0')
    const { sdp } = b.acceptOffer(change.apply())
    expect([ports(sdp), group(sdp)]).toEqual([[false, true], ['1']])
    a.pendingChanges()!.acceptAnswer({ type: 'answer', sdp })
    const last = a.createOffer()
    last.setDirection('1', 'sendonly')
    expect(ports(b.readOffer(last.apply()).reject('1').accept().sdp)).toEqual([false, false])
  })
})

describe('an answer to an offer of ours', () => {
  /** What comes of an answer that is edited on its way. */
  function answered(seed: number, edit: (sdp: string) => string) {
    const a = new Rtc({ crypto: seededCrypto(seed) })
    const b = new Rtc({ crypto: seededCrypto(seed + 1) })
    const change = a.createOffer()
    all(change)
    const offer = change.apply()
    const { sdp } = b.acceptOffer(offer)
    const pending = a.pendingChanges()!
    return {
      a,
      b,
      pending,
      offer,
      code: codeOf(() => pending.acceptAnswer({ type: 'answer', sdp: edit(sdp) })),
    }
  }

  it.each([
    ['no group', ungrouped],
    ['an empty group', grouped('')],
    ['one section outside', grouped('0 1')],
    ['the first section outside', grouped('1 2')],
    ['two groups', (sdp: string) => sdp.replace('BUNDLE 0 1 2', 'BUNDLE 0\r\na=group:BUNDLE 1 2')],
    ['sections without a mid', (sdp: string) => ungrouped(sdp).replaceAll(/a=mid:.*\r\n/g, '')],
    ['another group', (sdp: string) => sdp.replace('group:BUNDLE', 'group:LS')],
  ])('that has several transports is refused, and the offer can be taken back: %s', (_, edit) => {
    const { a, b, pending, offer, code } = answered(30, edit)
    expect(code).toBe('invalid-answer')
    // nothing has changed: the answer may still come, or the offer be taken back
    expect(a.medias).toEqual([])
    expect(a.pendingChanges()!.offer).toBe(offer)
    pending.rollback()
    expect(a.pendingChanges()).toBeUndefined()
    const theirs = new Rtc({ crypto: seededCrypto(40) }).createOffer()
    all(theirs)
    expect(ports(a.acceptOffer(theirs.apply()).sdp)).toEqual([true, true, true])
    expect(b.medias).toHaveLength(2)
  })

  it('that was refused may come again as it should be', () => {
    const { a, b, pending, code } = answered(50, ungrouped)
    expect(code).toBe('invalid-answer')
    // the other side has answered: what it says again is the answer to another offer, of the same sections
    const again = b.createOffer()
    again.setDirection('0', 'sendrecv')
    const { sdp } = again.apply()
    pending.acceptAnswer({ type: 'answer', sdp: sdp.replaceAll('a=setup:actpass', 'a=setup:active') })
    expect(a.medias.map(({ mid }) => mid)).toEqual(['0', '1'])
  })

  it('that takes one section alone needs no group', () => {
    const one = (sdp: string) =>
      [1, 2].reduce(
        (text, i) => inSection(i, (part) => part.replace(/^(m=\S+) \d+/, '$1 0'))(text),
        ungrouped(sdp),
      )
    const { a, code } = answered(60, one)
    expect(code).toBeUndefined()
    expect(a.medias.map(({ mid, stopped }) => [mid, stopped])).toEqual([['0', false]])
  })

  it('has the transport of the section that its group names first', () => {
    const { a, b, pair } = negotiatedPair({
      seed: 61,
      change: all,
      answered: (sdp) => inSection(0, elsewhere)(inSection(2, withoutTransport)(grouped('1 0 2')(sdp))),
    })
    pair.runUntil(() => a.connected && b.connected)
    expect(a.connected && b.connected).toBe(true)
  })

  it('with sections that are bundle-only, as RFC 8843 had it (RFC 9143 section 7.4.1), takes them', () => {
    const { a, b, pair } = negotiatedPair({
      seed: 62,
      change: all,
      answered: inSection(1, (part) => atPort0(withoutTransport(part))),
    })
    pair.runUntil(() => a.connected && b.connected)
    expect(a.media('1')).toMatchObject({ stopped: false, direction: 'sendrecv' })
  })

  // RFC 3264 section 6 has the answer say port 0 too, and not that an answer be refused which does not
  it('to a section that was stopped leaves it so, whatever it says', () => {
    const { a, b } = connectedPair({ seed: 63, change: all })
    const change = a.createOffer()
    change.stopMedia('1')
    const offer = change.apply()
    expect(offer.sdp).toContain('m=video 0 ')
    const { sdp } = b.acceptOffer(offer)
    const answered = sdp.replace('m=video 0', 'm=video 9')
    expect(answered).not.toBe(sdp)
    a.pendingChanges()!.acceptAnswer({ type: 'answer', sdp: answered })
    expect(a.media('1')!.stopped).toBe(true)
    expect(a.media('0')!.stopped).toBe(false)
    expect(a.pendingChanges()).toBeUndefined()
  })
})
