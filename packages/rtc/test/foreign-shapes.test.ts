import {
  type Direction,
  type ExtensionMap,
  type MediaSection,
  parseParameters,
  parseSdp,
  reverseDirection,
  sends,
} from '@str0m/sdp'
import { describe, expect, it } from 'vitest'
import { Candidate, Rtc, type RtcOptions } from '../src/index.ts'
import { codeOf, RTC_ADDRESS, seededCrypto } from './harness.ts'
import { ANSWERS, SHAPES, textOf } from './foreign-shapes.ts'
import { ASTERISK, BARESIP, LINPHONE, LINPHONE_UNBUNDLED } from './telephone-shapes.ts'

function peer(options: RtcOptions = {}): Rtc {
  const rtc = new Rtc({ crypto: seededCrypto(1), ...options })
  rtc.addLocalCandidate(Candidate.host(RTC_ADDRESS, 'udp'))
  return rtc
}

const isOpen = ({ port, bundleOnly }: MediaSection): boolean => port !== 0 || bundleOnly
const extension = ({ id, direction }: ExtensionMap): string =>
  direction === undefined ? `${id}` : `${id}/${direction}`

/** A section of an answer in words, as the shapes have it. */
function summary(section: MediaSection): string {
  if (section.port === 0) return '-'
  if (section.kind === 'application') return 'data'
  const { formats, direction, extensions } = section
  return [formats.join(' '), direction, ...extensions.map(extension)].join(' ')
}

/** What holds of an answer to any offer: RFC 3264 section 6, RFC 8829 section 5.3.1. */
function checkAnswer(offered: string, answered: string): void {
  const [offer, answer] = [parseSdp(offered), parseSdp(answered)]
  const shape = (section: MediaSection) => [section.kind, section.protocol, section.mid]
  expect(answer.media.map(shape)).toEqual(offer.media.map(shape))
  expect(answer.iceLite).toBe(false)
  const bundles = (groups: typeof offer.groups) => groups.filter(({ semantics }) => semantics === 'BUNDLE')
  const inUse = answer.media.filter(({ port }) => port !== 0)
  for (const { mids } of bundles(answer.groups)) {
    expect(mids).toEqual(bundles(offer.groups)[0]!.mids.filter((mid) => mids.includes(mid)))
    expect(new Set(mids)).toEqual(new Set(inUse.map(({ mid }) => mid)))
  }
  expect(inUse.filter(({ candidates }) => candidates.length > 0)).toHaveLength(1)
  answer.media.forEach((section, i) => {
    const other = offer.media[i]!
    if (section.port === 0) {
      expect(section.formats).toEqual(other.formats)
      expect(section).toMatchObject({ msids: [], ssrcs: [], extensions: [], candidates: [] })
      return
    }
    expect(isOpen(other)).toBe(true)
    expect(section.fingerprints).toHaveLength(1)
    if (section.kind === 'application') {
      expect(section.attributes.length > 0).toBe(other.protocol === 'DTLS/SCTP')
      return
    }
    // payload types, their order, names and parameters are the offerer's
    const types = section.payloads.map(({ pt }) => String(pt))
    expect(section.formats).toEqual(types)
    expect(other.formats.filter((type) => types.includes(type))).toEqual(types)
    for (const { feedback, ...format } of section.payloads) {
      const { feedback: theirs, ...same } = other.payloads.find(({ pt }) => pt === format.pt)!
      // all but what is of the offerer's own stream
      const listed = (text = '') => text.split(/; ?/).filter((parameter) => parameter !== '')
      const kept = listed(same.parameters).filter((parameter) => !parameter.startsWith('sprop-'))
      expect({ ...format, parameters: listed(format.parameters) }).toEqual({ ...same, parameters: kept })
      expect(feedback.filter((type) => !theirs.includes(type))).toEqual([])
      expect(new Set(feedback).size).toBe(feedback.length)
    }
    for (const { id, uri, direction } of section.extensions) {
      const theirs = other.extensions.find((known) => known.id === id)!
      expect(uri).toBe(theirs.uri)
      expect(direction).toBe(theirs.direction && reverseDirection(theirs.direction))
    }
    expect(section.rtcpMux).toBe(true)
    expect(section.direction).toBe(reverseDirection(other.direction ?? offer.direction ?? 'sendrecv'))
    // they stay where a section is held
    if (sends(section.direction!)) expect(section.msids).toHaveLength(1)
    expect(section.rids.map(({ id, direction }) => `${id} ${direction}`)).toEqual(
      other.rids.map(({ id, direction }) => `${id} ${direction === 'send' ? 'recv' : 'send'}`),
    )
    expect(section.simulcast?.recv ?? []).toEqual(other.simulcast?.send ?? [])
  })
}

describe.each([...SHAPES, LINPHONE, LINPHONE_UNBUNDLED, BARESIP, ASTERISK])('an offer of $name', (shape) => {
  const offer = { type: 'offer', sdp: textOf(shape) } as const

  it('is answered line by line', () => {
    const rtc = peer()
    const { sdp } = rtc.acceptOffer(offer)
    checkAnswer(offer.sdp, sdp)
    const answer = parseSdp(sdp)
    expect(answer.media.map(summary)).toEqual(shape.answered)
    expect(answer.groups.map(({ mids }) => mids.join(' '))).toEqual(
      shape.group === undefined ? [] : [shape.group],
    )
    const setups = new Set(answer.media.map(({ setup }) => setup))
    expect([...setups]).toEqual([shape.setup ?? 'active'])
    // what comes is as the offer describes it
    for (const { codecs, index } of rtc.medias) {
      for (const { pt, parameters } of codecs) {
        const format = parseSdp(offer.sdp).media[index]!.payloads.find((offered) => offered.pt === pt)!
        expect(parameters).toEqual(parseParameters(format.parameters))
      }
    }
    expect(rtc.medias.map(({ direction }) => direction)).toEqual(
      answer.media
        .filter(({ port, kind }) => port !== 0 && kind !== 'application')
        .map(({ direction }) => direction),
    )
  })

  it('and again, the same way, and held, and resumed', () => {
    const rtc = peer()
    const first = rtc.acceptOffer(offer).sdp
    const medias = [...rtc.medias]
    const later = (sdp: string) => sdp.replace(/^o=.*\r\n/m, '')
    expect(later(rtc.acceptOffer(offer).sdp)).toBe(later(first))
    const held = offer.sdp.replaceAll(/a=(sendrecv|sendonly)\b/g, (_, direction: Direction) =>
      direction === 'sendrecv' ? 'a=sendonly' : 'a=inactive',
    )
    checkAnswer(held, rtc.acceptOffer({ type: 'offer', sdp: held }).sdp)
    expect(later(rtc.acceptOffer(offer).sdp)).toBe(later(first))
    expect(rtc.medias).toEqual(medias)
    // and what we offer then is answered as one who knows it all does
    const again = rtc.createOffer()
    again.addChannel('more')
    const ours = again.apply()
    const other = parseSdp(peer({ crypto: seededCrypto(2) }).acceptOffer(ours).sdp)
    for (const [i, line] of shape.answered.entries()) {
      if (line !== '-') expect(other.media[i]!.port).not.toBe(0)
    }
    expect(codeOf(() => rtc.acceptOffer(offer))).toBe('wrong-state')
    rtc.pendingChanges()!.rollback()
    expect(later(rtc.acceptOffer(offer).sdp)).toBe(later(first))
  })
})

describe('an answer to a call of ours', () => {
  it.each(ANSWERS)('of $name', ({ lines, taken, code }) => {
    const rtc = peer()
    const change = rtc.createOffer()
    change.addMedia('audio')
    change.addMedia('video')
    change.addChannel('data')
    const offer = change.apply()
    const pending = rtc.pendingChanges()!
    const answer = { type: 'answer', sdp: `${lines.join('\r\n')}\r\n` } as const
    expect(codeOf(() => pending.acceptAnswer(answer))).toBe(code)
    if (taken === undefined) {
      expect(rtc.pendingChanges()?.offer).toEqual(offer)
      expect(rtc.medias).toEqual([])
      return
    }
    // the section of data channels has no media; one that was rejected and never stood has none either
    const sections = ['0', '1'].map((mid) => {
      const media = rtc.media(mid)
      if (media === undefined || media.stopped) return '-'
      const codecs = media.codecs.map(({ pt, sendPt, name }) =>
        pt === sendPt ? `${pt} ${name}` : `${pt}>${sendPt} ${name}`,
      )
      return `${codecs.join(', ')} ${media.direction}`
    })
    expect(sections).toEqual(taken)
    // it may be offered again, and is the same session
    const again = rtc.createOffer()
    again.addMedia('video')
    expect(parseSdp(again.apply().sdp).origin).toMatchObject({
      sessionId: parseSdp(offer.sdp).origin.sessionId,
      sessionVersion: '2',
    })
  })
})
