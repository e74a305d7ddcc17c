import { parseSdp } from '@str0m/sdp'
import { describe, expect, it } from 'vitest'
import { Candidate, Rtc } from '../src/index.ts'
import { textOf, type Shape } from './foreign-shapes.ts'
import { connectedPair, RTC_ADDRESS, seededCrypto } from './harness.ts'
import { BARESIP_UNMULTIPLEXED, LINPHONE_UNBUNDLED } from './telephone-shapes.ts'

function fresh(): Rtc {
  const rtc = new Rtc({ crypto: seededCrypto(1) })
  rtc.addLocalCandidate(Candidate.host(RTC_ADDRESS, 'udp'))
  return rtc
}

const offerOf = (shape: Shape) => ({ type: 'offer', sdp: textOf(shape) }) as const
const connections = (sdp: string) => parseSdp(sdp).media.map(({ connection }) => connection)

// Linphone takes 0.0.0.0 in any section, also one of port 0, for an ICE restart: it makes new credentials, and the call never connects, or is lost
describe('a section that is not in use has the address of those that are', () => {
  it('in an answer', () => {
    const rtc = fresh()
    const [audio, video] = connections(rtc.acceptOffer(offerOf(LINPHONE_UNBUNDLED)).sdp)
    expect(audio).toBe('192.0.2.1')
    expect(video).toBe(audio)
  })

  it('in an offer, once it is stopped', () => {
    const { a } = connectedPair({
      seed: 1,
      change: (change) => {
        change.addMedia('audio')
        change.addMedia('video')
      },
    })
    const [audio, video] = connections(a.createOffer().stopMedia('1').apply().sdp)
    expect(audio).not.toBe('0.0.0.0')
    expect(video).toBe(audio)
  })

  it('but none where nothing is taken: who refuses all does not say where he is', () => {
    const rtc = fresh()
    const { sdp } = rtc.acceptOffer(offerOf(BARESIP_UNMULTIPLEXED))
    expect(parseSdp(sdp).media.map(({ port }) => port)).toEqual([0])
    expect(connections(sdp)).toEqual(['0.0.0.0'])
    expect(rtc.iceState).toBe('new')
  })
})

it('RTCP is not said to be multiplexed where that was not offered (RFC 8035 section 3)', () => {
  const { sdp } = fresh().acceptOffer(offerOf(BARESIP_UNMULTIPLEXED))
  expect(parseSdp(sdp).media[0]!.rtcpMux).toBe(false)
  const [, video] = parseSdp(fresh().acceptOffer(offerOf(LINPHONE_UNBUNDLED)).sdp).media
  expect(video).toMatchObject({ port: 0, rtcpMux: true })
})

it('of sections with a transport each, the first that is not refused is taken', () => {
  const rtc = fresh()
  const { sdp } = rtc.readOffer(offerOf(LINPHONE_UNBUNDLED)).reject('0').accept()
  const [audio, video] = parseSdp(sdp).media
  expect(audio!.port).toBe(0)
  expect(video).toMatchObject({ port: 5000, direction: 'sendrecv' })
  expect(rtc.medias.map(({ mid, kind }) => [mid, kind])).toEqual([['1', 'video']])
  // in a session that stands, the one in use stays the one: no other transport takes its place
  const standing = fresh()
  standing.acceptOffer(offerOf(LINPHONE_UNBUNDLED))
  const again = standing.readOffer(offerOf(LINPHONE_UNBUNDLED)).reject('0').accept()
  expect(parseSdp(again.sdp).media.map(({ port }) => port)).toEqual([0, 0])
})

// Asterisk, where it knows all candidates of an offer by foundation and address, has new credentials in its answer and goes on with its old ones: it refuses each check (401)
it('the candidates of an ICE restart are told from those of before, those of another offer are the same', () => {
  const told = (sdp: string) => parseSdp(sdp).media[0]!.candidates
  const { a, b } = connectedPair({ seed: 3, change: (change) => change.addMedia('audio') })
  const offers: string[] = []
  const answers: string[] = []
  for (const restarts of [false, true, false]) {
    const change = a.createOffer()
    if (restarts) change.iceRestart()
    else change.addMedia('video')
    const offer = change.apply()
    const answer = b.acceptOffer(offer)
    a.pendingChanges()!.acceptAnswer(answer)
    offers.push(...told(offer.sdp))
    answers.push(...told(answer.sdp))
  }
  for (const [before, restarted, after] of [offers, answers]) {
    expect(restarted).not.toBe(before)
    expect(after).toBe(restarted)
    // but for the foundation they are as they were
    expect(restarted!.split(' ').slice(1)).toEqual(before!.split(' ').slice(1))
  }
})
