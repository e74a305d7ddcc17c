import { SeededRandom } from '@str0m/sans-io'
import { type Direction, reverseDirection } from '@str0m/sdp'
import { describe, expect, it } from 'vitest'
import { Candidate, DtlsCertificate, type Media, Rtc } from '../src/index.ts'
import { PEER_ADDRESS, RTC_ADDRESS } from './harness.ts'

const DIRECTIONS: readonly Direction[] = ['sendrecv', 'sendonly', 'recvonly', 'inactive']
const SHAPES = 20
const ROUNDS = 50
/** Made once: who the two are is of no matter here. */
const certificate = DtlsCertificate.generate()

function peer(address: string): Rtc {
  const rtc = new Rtc({ certificate })
  rtc.addLocalCandidate(Candidate.host(address, 'udp'))
  return rtc
}

function describeMedia(media: Media, direction: Direction): string {
  const codecs = media.codecs.map(({ pt, name }) => `${pt} ${name}`).join(', ')
  return `${media.index}: ${media.mid} ${media.kind} ${media.stopped ? 'stopped' : direction} [${media.stopped ? '' : codecs}]`
}

/** One offer and its answer; both sides then see the same. */
function negotiate(from: Rtc, to: Rtc, random: SeededRandom, what: string): void {
  const change = from.createOffer()
  const standing = from.medias.filter(({ stopped }) => !stopped)
  const wanted = new Map<string, Direction>()
  for (let count = standing.length === 0 ? 1 : random.integer(3); count > 0; count--) {
    const direction = DIRECTIONS[random.integer(4)]!
    wanted.set(change.addMedia(random.chance(0.5) ? 'audio' : 'video', direction), direction)
  }
  for (const { mid } of standing) {
    if (random.chance(0.15)) change.stopMedia(mid)
    else if (random.chance(0.4)) {
      const direction = DIRECTIONS[random.integer(4)]!
      change.setDirection(mid, direction)
      wanted.set(mid, direction)
    }
  }
  if (random.chance(0.1)) change.iceRestart()
  const offer = change.apply()
  if (random.chance(0.1)) {
    const before = from.medias.map((media) => describeMedia(media, media.direction))
    from.pendingChanges()!.rollback()
    expect(
      from.medias.map((media) => describeMedia(media, media.direction)),
      `${what}: rolled back`,
    ).toEqual(before)
    return
  }
  from.pendingChanges()!.acceptAnswer(to.acceptOffer(offer))
  expect(from.pendingChanges(), `${what}: pending`).toBeUndefined()
  expect(
    from.medias.map((media) => describeMedia(media, media.direction)),
    `${what}: medias`,
  ).toEqual(to.medias.map((media) => describeMedia(media, reverseDirection(media.direction))))
  for (const [mid, direction] of wanted) {
    const media = from.media(mid)
    if (media !== undefined && !media.stopped) expect(media.direction, `${what}, ${mid}`).toBe(direction)
  }
}

describe('both ends agree', () => {
  it.each(['the same side', 'either side'])(
    `after each of ${ROUNDS} random changes, of ${SHAPES} sessions, offered by %s`,
    (who) => {
      for (let seed = 1; seed <= SHAPES; seed++) {
        const random = new SeededRandom(seed)
        const a = peer(RTC_ADDRESS)
        const b = peer(PEER_ADDRESS)
        for (let round = 0; round < ROUNDS; round++) {
          const turned = who === 'either side' && random.chance(0.5)
          const what = `seed ${seed}, round ${round}`
          if (turned) negotiate(b, a, random, what)
          else negotiate(a, b, random, what)
        }
      }
    },
    60_000,
  )
})
