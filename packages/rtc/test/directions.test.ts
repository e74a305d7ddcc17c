import { type Direction, parseSdp } from '@str0m/sdp'
import { describe, expect, it } from 'vitest'
import type { Answer, ChangeSet, Offer, Rtc } from '../src/index.ts'
import { Rtc as Peer } from '../src/index.ts'

const directions = ({ sdp }: Offer | Answer): (Direction | undefined)[] =>
  parseSdp(sdp).media.map(({ direction }) => direction)

function exchange(from: Rtc, change: ChangeSet, to: Rtc): Answer {
  const answer = to.acceptOffer(change.apply())
  from.pendingChanges()!.acceptAnswer(answer)
  return answer
}

/** One who has called, with a microphone both ways and a camera, and us. */
function call(): { us: Rtc; caller: Rtc } {
  const [us, caller] = [new Peer(), new Peer()]
  const change = caller.createOffer()
  change.addMedia('audio')
  change.addMedia('video', 'sendonly')
  exchange(caller, change, us)
  return { us, caller }
}

/** An offer for something else. */
function more(rtc: Rtc): ChangeSet {
  const change = rtc.createOffer()
  change.addMedia('audio', 'sendonly')
  return change
}

describe('the direction that a side has chosen, RFC 8829 sections 4.2.3 and 5.3.1', () => {
  it('a hold of ours holds when the peer offers something else', () => {
    const { us, caller } = call()
    exchange(us, us.createOffer().setDirection('0', 'inactive'), caller)
    const change = more(caller)
    expect(us.media('0')!.direction).toBe('inactive')
    exchange(caller, change, us)
    expect(us.medias.map(({ direction }) => direction)).toEqual(['inactive', 'recvonly', 'recvonly'])
    exchange(us, us.createOffer().setDirection('0', 'sendrecv'), caller)
    expect([us.media('0')!.direction, caller.media('0')!.direction]).toEqual(['sendrecv', 'sendrecv'])
  })

  it('so does one that an answer chose, until an answer or an offer chooses another', () => {
    const { us, caller } = call()
    const answered = (direction?: Direction): (Direction | undefined)[] => {
      const offer = caller.createOffer().apply()
      expect(directions(offer)).toEqual(['sendrecv', 'sendonly'])
      const incoming = us.readOffer(offer)
      if (direction !== undefined) incoming.setDirection('0', direction)
      const answer = incoming.accept()
      caller.pendingChanges()!.acceptAnswer(answer)
      return directions(answer)
    }
    expect(answered('recvonly')).toEqual(['recvonly', 'recvonly'])
    expect(answered()).toEqual(['recvonly', 'recvonly'])
    expect(directions(us.createOffer().apply())).toEqual(['recvonly', 'recvonly'])
    us.pendingChanges()!.rollback()
    expect(answered('sendrecv')).toEqual(['sendrecv', 'recvonly'])
    expect(answered()).toEqual(['sendrecv', 'recvonly'])
  })

  it('an offer that was taken back has chosen nothing', () => {
    const { us, caller } = call()
    us.createOffer().setDirection('0', 'inactive').apply()
    us.pendingChanges()!.rollback()
    expect(directions(exchange(caller, more(caller), us))).toEqual(['sendrecv', 'recvonly', 'recvonly'])
  })

  it('a hold of the peer is not made ours: it is offered again what it had', () => {
    const { us, caller } = call()
    exchange(caller, caller.createOffer().setDirection('0', 'sendonly').setDirection('1', 'inactive'), us)
    expect(us.medias.map(({ direction }) => direction)).toEqual(['recvonly', 'inactive'])
    const change = more(us)
    const offer = change.apply()
    // and not more than it had: what only came in is not offered to be sent
    expect(directions(offer)).toEqual(['sendrecv', 'recvonly', 'sendonly'])
    const answer = caller.acceptOffer(offer)
    expect(directions(answer)).toEqual(['sendonly', 'inactive', 'recvonly'])
    us.pendingChanges()!.acceptAnswer(answer)
    expect(us.medias.map(({ direction }) => direction)).toEqual(['recvonly', 'inactive', 'sendonly'])
  })

  it('so that a peer which resumes as our offer comes can say so in its answer', () => {
    const { us, caller } = call()
    exchange(caller, caller.createOffer().setDirection('1', 'inactive'), us)
    const resumed = caller.readOffer(more(us).apply()).setDirection('1', 'sendonly').accept()
    us.pendingChanges()!.acceptAnswer(resumed)
    expect([us.media('1')!.direction, caller.media('1')!.direction]).toEqual(['recvonly', 'sendonly'])
  })

  it('a stopped section leaves nothing of it to the one that takes its place', () => {
    const { us, caller } = call()
    exchange(us, us.createOffer().setDirection('1', 'inactive'), caller)
    exchange(us, us.createOffer().stopMedia('1'), caller)
    const change = caller.createOffer()
    const mid = change.addMedia('video')
    exchange(caller, change, us)
    expect([us.media(mid)!.index, us.media(mid)!.direction]).toEqual([1, 'sendrecv'])
  })
})
