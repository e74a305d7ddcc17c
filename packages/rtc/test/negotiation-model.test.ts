import { SeededRandom } from '@str0m/sans-io'
import {
  type CodecCapability,
  DEFAULT_CODECS,
  type Direction,
  intersectDirections,
  parseSdp,
  receives,
  retransmittedPt,
  reverseDirection,
  sends,
} from '@str0m/sdp'
import { describe, expect, it } from 'vitest'
import { Candidate, type ChangeSet, DtlsCertificate, type Media, Rtc, type RtcOptions } from '../src/index.ts'
import { fixture } from './browser-peer.ts'
import { PEER_ADDRESS, RTC_ADDRESS } from './harness.ts'

const DIRECTIONS: readonly Direction[] = ['sendrecv', 'sendonly', 'recvonly', 'inactive']
const ROUNDS = 50
/** Sections of one session: the model adds no more. */
const MAX_SECTIONS = 24
/** Made once: who the two are is of no matter here. */
const certificate = DtlsCertificate.generate()

/** What one side of a session begins with, and what it can. */
interface Shape {
  readonly name: string
  readonly options?: RtcOptions
  /** The other side's, where it is not the default. */
  readonly other?: RtcOptions
  readonly begin: (change: ChangeSet) => unknown
}

const named = (...names: string[]): CodecCapability[] =>
  DEFAULT_CODECS.filter(({ name }) => names.includes(name))
const withoutRtx = DEFAULT_CODECS.map((codec) => {
  const { preferredRtxPt, ...rest } = codec
  return preferredRtxPt === undefined ? codec : rest
})
const renumbered = DEFAULT_CODECS.map((codec, i) => ({ ...codec, preferredPt: 127 - i }))
const encodings = [{ rid: 'f' }, { rid: 'h' }, { rid: 'q' }]
const others = [{ rid: '1' }, { rid: '2', restrictions: { 'max-width': '320' } }]

/** The codecs that a browser's offer lists, by its numbers. */
function codecsOfBrowser(name: 'chromium' | 'firefox'): CodecCapability[] {
  return parseSdp(fixture(`${name}-offer.sdp`)).media.flatMap(({ kind, payloads }) => {
    if (kind !== 'audio' && kind !== 'video') return []
    const rtx = new Map(payloads.map((format) => [retransmittedPt(format), format.pt]))
    return payloads
      .filter((format) => retransmittedPt(format) === undefined)
      .map(({ pt, parameters, channels, ...format }): CodecCapability => {
        const rtxPt = rtx.get(pt)
        return {
          kind,
          ...format,
          ...(channels === undefined ? {} : { channels }),
          ...(parameters === undefined ? {} : { parameters }),
          preferredPt: pt,
          ...(rtxPt === undefined ? {} : { preferredRtxPt: rtxPt }),
        }
      })
  })
}

function both(change: ChangeSet): void {
  change.addMedia('audio')
  change.addMedia('video')
}

const SHAPES: readonly Shape[] = [
  { name: 'a microphone', begin: (change) => change.addMedia('audio', 'sendonly') },
  { name: 'a camera', begin: (change) => change.addMedia('video', 'sendonly') },
  { name: 'a call', begin: both },
  { name: 'one who only watches', begin: (change) => change.addMedia('video', 'recvonly') },
  { name: 'data alone', begin: (change) => change.addChannel('data') },
  {
    name: 'a call with data',
    begin: (change) => {
      both(change)
      change.addChannel('data', { ordered: false })
    },
  },
  {
    name: 'data before media',
    begin: (change) => {
      change.addChannel('data')
      change.addMedia('audio')
    },
  },
  { name: 'simulcast', begin: (change) => change.addMedia('video', 'sendonly', { encodings }) },
  {
    name: 'simulcast in both of two sections',
    begin: (change) => {
      change.addMedia('video', 'sendrecv', { encodings })
      change.addMedia('video', 'sendonly', { encodings: encodings.slice(1) })
    },
  },
  {
    name: 'simulcast that is asked for',
    begin: (change) => change.addMedia('video', 'recvonly', { receiveEncodings: encodings }),
  },
  {
    name: 'simulcast both ways',
    begin: (change) => {
      change.addMedia('video', 'sendrecv', { encodings, receiveEncodings: others })
      change.addMedia('video', 'sendrecv')
    },
  },
  {
    name: 'a conference of ten',
    begin: (change) => {
      for (let i = 0; i < 10; i++) change.addMedia(i % 2 === 0 ? 'audio' : 'video', DIRECTIONS[i % 4])
    },
  },
  { name: 'all inactive', begin: (change) => change.addMedia('audio', 'inactive') },
  { name: 'Opus and VP8 alone', options: { codecs: named('opus', 'VP8') }, begin: both },
  { name: 'H.264 against all', options: { codecs: named('opus', 'H264') }, begin: both },
  { name: 'no retransmissions', options: { codecs: withoutRtx }, begin: both },
  { name: 'retransmissions on one side', other: { codecs: withoutRtx }, begin: both },
  { name: 'numbers of its own', options: { codecs: renumbered }, begin: both },
  {
    name: 'no video in common',
    options: { codecs: named('opus', 'VP8') },
    other: { codecs: named('opus', 'AV1') },
    begin: both,
  },
  { name: 'a lite server', other: { iceLite: true, dtlsSetup: 'passive' }, begin: both },
  { name: 'the codecs of Chromium', options: { codecs: codecsOfBrowser('chromium') }, begin: both },
  { name: 'the codecs of Firefox', options: { codecs: codecsOfBrowser('firefox') }, begin: both },
]

function peer(address: string, options: RtcOptions | undefined): Rtc {
  const rtc = new Rtc({ certificate, ...options })
  rtc.addLocalCandidate(Candidate.host(address, 'udp'))
  return rtc
}

/** What one side has of a section, in words; `turned`: as the other side would say it. */
function describeMedia(media: Media, turned: boolean): string {
  if (media.stopped) return `${media.index}: ${media.mid} stopped`
  const direction = turned ? reverseDirection(media.direction) : media.direction
  // each side has its own number for what the other sends
  const codecs = media.codecs
    .map(({ pt, sendPt, name }) => (turned ? `${sendPt}/${pt} ${name}` : `${pt}/${sendPt} ${name}`))
    .join(', ')
  const rids = (list: Media['sendEncodings']): string =>
    list.map(({ rid, paused }) => (paused ? `~${rid}` : rid)).join(';')
  const [out, back] = turned
    ? [media.receiveEncodings, media.sendEncodings]
    : [media.sendEncodings, media.receiveEncodings]
  return `${media.index}: ${media.mid} ${media.kind} ${direction} [${codecs}] send ${rids(out)} recv ${rids(back)}`
}

const describeAll = (rtc: Rtc, turned: boolean): string[] =>
  rtc.medias.map((media) => describeMedia(media, turned))

/** Random changes. Answers the directions that are wanted. */
function change(from: Rtc, random: SeededRandom): { set: ChangeSet; wanted: Map<string, Direction> } {
  const set = from.createOffer()
  const standing = from.medias.filter(({ stopped }) => !stopped)
  const wanted = new Map<string, Direction>()
  const room = MAX_SECTIONS - from.medias.length
  for (let count = Math.min(room, random.integer(3)); count > 0; count--) {
    const direction = DIRECTIONS[random.integer(4)]!
    const kind = random.chance(0.5) ? 'audio' : 'video'
    const several = kind === 'video' && random.chance(0.3) ? { encodings } : {}
    const asked = kind === 'video' && random.chance(0.3) ? { receiveEncodings: others } : {}
    wanted.set(set.addMedia(kind, direction, { ...several, ...asked }), direction)
  }
  for (const { mid } of standing) {
    if (random.chance(0.15)) set.stopMedia(mid)
    else if (random.chance(0.4)) {
      const direction = DIRECTIONS[random.integer(4)]!
      set.setDirection(mid, direction)
      wanted.set(mid, direction)
    }
  }
  if (random.chance(0.15)) set.addChannel('more')
  if (random.chance(0.1)) set.iceRestart()
  return { set, wanted }
}

/** What one side wants of its sections, as RFC 8829 has the direction of a transceiver. */
class Wanted {
  /** What it has said, and it holds. */
  readonly chosen = new Map<string, Direction>()
  /** All that was agreed on: what it offers of a section of which it has said nothing. */
  readonly agreed = new Map<string, Direction>()

  offers(mid: string): Direction {
    return this.chosen.get(mid) ?? this.agreed.get(mid)!
  }

  allows(mid: string): Direction {
    return this.chosen.get(mid) ?? 'sendrecv'
  }

  /** The directions that both have agreed on, seen from here. */
  negotiated(rtc: Rtc): void {
    for (const { mid, direction } of rtc.medias) {
      const all = [direction, this.agreed.get(mid) ?? 'inactive']
      const [out, back] = [all.some(sends), all.some(receives)]
      if (out) this.agreed.set(mid, back ? 'sendrecv' : 'sendonly')
      else this.agreed.set(mid, back ? 'recvonly' : 'inactive')
    }
    for (const kept of [this.chosen, this.agreed]) {
      for (const mid of kept.keys()) if (rtc.media(mid)?.stopped !== false) kept.delete(mid)
    }
  }
}

/** One of the two, and what it wants. */
interface Side {
  readonly rtc: Rtc
  readonly wanted: Wanted
}

/** One offer and its answer; both sides then see the same. */
function negotiate(offerer: Side, answerer: Side, random: SeededRandom, what: string): void {
  const [from, to] = [offerer.rtc, answerer.rtc]
  const { set, wanted } = change(from, random)
  let offer
  try {
    offer = set.apply()
  } catch (error) {
    expect(error).toMatchObject({ code: 'no-changes' })
    return
  }
  if (random.chance(0.1)) {
    // the other side offers too: this one gives way
    const before = describeAll(from, false)
    from.pendingChanges()!.rollback()
    expect(describeAll(from, false), `${what}: rolled back`).toEqual(before)
    return
  }
  let answer
  const answered = new Map<string, Direction>()
  if (random.chance(0.2)) {
    const incoming = to.readOffer(offer)
    for (const { mid } of incoming.medias) {
      if (random.chance(0.1)) incoming.reject(mid)
      else if (random.chance(0.2)) {
        const direction = DIRECTIONS[random.integer(4)]!
        incoming.setDirection(mid, direction)
        answered.set(mid, direction)
      }
    }
    try {
      answer = incoming.accept()
    } catch (error) {
      // the others share its transport
      expect(error).toMatchObject({ code: 'tagged-section' })
      from.pendingChanges()!.rollback()
      expect(describeAll(from, false), `${what}: refused`).toEqual(describeAll(to, true))
      return
    }
  } else {
    answer = to.acceptOffer(offer)
  }
  from.pendingChanges()!.acceptAnswer(answer)
  expect(from.pendingChanges(), `${what}: pending`).toBeUndefined()
  expect(describeAll(from, false), `${what}: sections`).toEqual(describeAll(to, true))
  for (const [mid, direction] of wanted) offerer.wanted.chosen.set(mid, direction)
  for (const [mid, direction] of answered) answerer.wanted.chosen.set(mid, direction)
  for (const { mid, direction, stopped } of from.medias) {
    if (stopped) continue
    const both = intersectDirections(
      offerer.wanted.offers(mid),
      reverseDirection(answerer.wanted.allows(mid)),
    )
    expect(direction, `${what}, ${mid}`).toBe(both)
  }
  for (const side of [offerer, answerer]) side.wanted.negotiated(side.rtc)
  const sections = ({ sdp }: { sdp: string }): string[] =>
    parseSdp(sdp).media.map(({ kind, mid }) => `${kind} ${mid}`)
  expect(sections(answer), `${what}: the answer's sections`).toEqual(sections(offer))
  expect(hasData(from), `${what}: data`).toBe(hasData(to))
  for (const rtc of [from, to]) drain(rtc)
}

function hasData(rtc: Rtc): boolean {
  try {
    rtc.channel(rtc.addChannel('probe', {}))?.close()
    return true
  } catch {
    return false
  }
}

function drain(rtc: Rtc): void {
  while (rtc.pollOutput().kind !== 'timeout');
}

describe('both ends agree', () => {
  it('there are twenty-two shapes', () => {
    expect(new Set(SHAPES.map(({ name }) => name)).size).toBe(22)
  })

  for (const role of ['offers', 'answers'] as const) {
    it.each(SHAPES)(
      `$name ${role} first: after each of ${ROUNDS} random changes of either side`,
      ({ name, options, other, begin }) => {
        const random = new SeededRandom(
          SHAPES.findIndex((shape) => shape.name === name) + (role === 'offers' ? 0 : 100),
        )
        const a = { rtc: peer(RTC_ADDRESS, options), wanted: new Wanted() }
        const b = { rtc: peer(PEER_ADDRESS, other), wanted: new Wanted() }
        const [{ rtc: first, wanted }, { rtc: second }] = role === 'offers' ? [a, b] : [b, a]
        const set = first.createOffer()
        begin(set)
        const offer = set.apply()
        first.pendingChanges()!.acceptAnswer(second.acceptOffer(offer))
        expect(describeAll(first, false), 'at first').toEqual(describeAll(second, true))
        for (const { mid, direction } of parseSdp(offer.sdp).media) wanted.chosen.set(mid!, direction!)
        for (const side of [a, b]) side.wanted.negotiated(side.rtc)
        for (let round = 0; round < ROUNDS; round++) {
          const what = `${name} ${role}, round ${round}`
          if (random.chance(0.5)) negotiate(b, a, random, what)
          else negotiate(a, b, random, what)
        }
      },
      60_000,
    )
  }
})
