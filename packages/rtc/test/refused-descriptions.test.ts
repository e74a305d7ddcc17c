import { nativeCrypto } from '@str0m/crypto'
import { DtlsCertificate } from '@str0m/dtls'
import { SeededRandom } from '@str0m/sans-io'
import { describe, expect, it } from 'vitest'
import { Candidate, type ChangeSet, Rtc, type RtcOptions } from '../src/index.ts'
import { codeOf, PEER_ADDRESS, RTC_ADDRESS } from './harness.ts'
import { SHAPES, textOf } from './foreign-shapes.ts'

// A description that is refused leaves no trace: who has seen many says and draws the same from then on as one who has seen none

const certificate = DtlsCertificate.generate()

function peer(seed: number, address = RTC_ADDRESS, options: RtcOptions = {}): Rtc {
  const crypto = nativeCrypto({ random: new SeededRandom(seed).fill })
  const rtc = new Rtc({ crypto, certificate, ...options })
  rtc.addLocalCandidate(Candidate.host(address, 'udp'))
  return rtc
}

/** All that can be seen of a peer. */
function stateOf(rtc: Rtc): unknown {
  const { iceUfrag, iceState, statistics, channels, connected, closed } = rtc
  const medias = rtc.medias.map((media) => {
    const { mid, kind, index, direction, stopped, codecs, localStreams, remoteSsrcs } = media
    const { sendEncodings, receiveEncodings, nack, canRequestKeyframe } = media
    const extensions = Array.from({ length: 16 }, (_, id) => media.extensionIds.name(id))
    const what = { mid, kind, index, direction, stopped, codecs, localStreams, remoteSsrcs, extensions }
    return { ...what, sendEncodings, receiveEncodings, nack, canRequestKeyframe }
  })
  const ids = channels.map(({ id }) => id)
  const offer = rtc.pendingChanges()?.offer
  return structuredClone({ iceUfrag, iceState, statistics, ids, connected, closed, medias, offer })
}

/** Each line is left out, written twice, spoilt; all after it is left out. */
function* spoilt(sdp: string): Generator<string> {
  const lines = sdp.split(/\r\n|\n|\r/)
  for (let i = 0; i < lines.length; i++) {
    const [before, line, after] = [lines.slice(0, i), lines[i]!, lines.slice(i + 1)]
    const text = (...between: string[]): string => [...before, ...between, ...after].join('\r\n')
    yield text()
    yield text(line, line)
    yield text(line.replace(/[:=]/, '$&§ '))
    yield text(line.replaceAll(/\d+/g, '99999'))
    yield text(line.replaceAll(/\d+/g, '0'))
    yield text(line.slice(0, -1))
    yield before.join('\r\n')
  }
  yield `\uFEFF${sdp}`
  yield ` ${sdp}`
  yield sdp.replaceAll(/m=/g, 'm= ')
  yield sdp.replaceAll(/a=setup:\w+/g, 'a=setup:holdconn')
  yield sdp.replaceAll(/a=fingerprint:sha-\d+/gi, 'a=fingerprint:md5')
}

describe.each(SHAPES)('offers like that of $name', (shape) => {
  const sdp = textOf(shape)
  const offer = { type: 'offer', sdp } as const

  it.each(['first', 'later'])('are taken or refused, with nothing changed: %s', (when) => {
    const [rtc, twin] = [peer(1), peer(1)]
    if (when === 'later') expect(rtc.acceptOffer(offer)).toEqual(twin.acceptOffer(offer))
    const before = stateOf(rtc)
    const codes = new Map<string, number>()
    for (const wrong of spoilt(sdp)) {
      const spoiltOffer = { type: 'offer', sdp: wrong } as const
      const code = codeOf(() => rtc.readOffer(spoiltOffer))
      codes.set(code ?? 'taken', (codes.get(code ?? 'taken') ?? 0) + 1)
      if (code === undefined) {
        // what can be read can be answered
        if (when === 'first') expect(peer(2).acceptOffer(spoiltOffer).type).toBe('answer')
      } else {
        const again = codeOf(() => rtc.acceptOffer(spoiltOffer))
        expect([wrong, again, stateOf(rtc)]).toEqual([wrong, code, before])
      }
    }
    expect(codes.get('invalid-sdp')).toBeGreaterThan(20)
    expect(codes.get('invalid-offer')).toBeGreaterThan(2)
    expect([...codes.keys()].toSorted()).toEqual(['invalid-offer', 'invalid-sdp', 'taken'])
    expect(rtc.acceptOffer(offer)).toEqual(twin.acceptOffer(offer))
    expect(stateOf(rtc)).toEqual(stateOf(twin))
  })
})

describe('answers to an offer of ours', () => {
  const CHANGES: Readonly<Record<string, (change: ChangeSet) => unknown>> = {
    'a call': (change) => {
      change.addMedia('audio')
      change.addMedia('video', 'sendonly', { encodings: [{ rid: 'a' }, { rid: 'b' }] })
      change.addChannel('data')
    },
    'one section': (change) => change.addMedia('audio', 'recvonly'),
  }

  it.each(Object.entries(CHANGES))('are taken or refused, with nothing changed: %s', (_, add) => {
    const other = peer(5, PEER_ADDRESS)
    const offering = (): Rtc => {
      const rtc = peer(4)
      const change = rtc.createOffer()
      add(change)
      change.apply()
      return rtc
    }
    const [rtc, twin] = [offering(), offering()]
    const answer = other.acceptOffer(rtc.pendingChanges()!.offer)
    const waiting = stateOf(rtc)
    const codes = new Set<string | undefined>()
    for (const wrong of spoilt(answer.sdp)) {
      const once = offering()
      const spoiltAnswer = { type: 'answer', sdp: wrong } as const
      const code = codeOf(() => once.pendingChanges()!.acceptAnswer(spoiltAnswer))
      codes.add(code)
      if (code === undefined) continue
      const again = codeOf(() => rtc.pendingChanges()!.acceptAnswer(spoiltAnswer))
      expect([wrong, again, stateOf(rtc)]).toEqual([wrong, code, waiting])
    }
    expect(codes).toEqual(new Set([undefined, 'invalid-sdp', 'invalid-answer']))
    for (const each of [rtc, twin]) each.pendingChanges()!.acceptAnswer(answer)
    expect(stateOf(rtc)).toEqual(stateOf(twin))
    const offers = [rtc, twin].map((each) => each.createOffer().iceRestart().apply())
    expect(offers[0]).toEqual(offers[1])
    // in a session that stands: the same answers, to an offer that restarts ICE
    const before = stateOf(rtc)
    for (const wrong of spoilt(other.acceptOffer(offers[0]!).sdp)) {
      const code = codeOf(() => rtc.readOffer({ type: 'offer', sdp: wrong }))
      expect(code).toBe('wrong-state')
    }
    expect(codeOf(() => rtc.pendingChanges()!.acceptAnswer(answer))).toBe('invalid-answer')
    expect(stateOf(rtc)).toEqual(before)
    for (const each of [rtc, twin]) each.pendingChanges()!.rollback()
    expect(rtc.createOffer().apply()).toEqual(twin.createOffer().apply())
    expect(stateOf(rtc)).toEqual(stateOf(twin))
  })
})
