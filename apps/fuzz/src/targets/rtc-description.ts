import { UsageError } from '@str0m/sans-io'
import { DtlsCertificate, Rtc } from '@str0m/rtc'
import { check, drain, unlessRefused } from '../check.ts'
import { fuzzCrypto } from '../crypto.ts'
import { EDIT_SEEDS, editDescription } from '../descriptions.ts'
import { DESCRIPTIONS } from '../fixtures.ts'
import { FuzzInput, program } from '../input.ts'

// Descriptions, edited, as offers and as answers: taken or refused with a `UsageError`. Where one is refused nothing has changed, so that what goes well
// without it goes as well after it.

const certificate = DtlsCertificate.generate({ crypto: fuzzCrypto(41) })

function makeRtc(seed: number): Rtc {
  return new Rtc({ crypto: fuzzCrypto(seed), certificate })
}

/** What can be seen of it, without what is random. */
function seen(rtc: Rtc): string {
  const medias = rtc.medias.map(({ mid, kind, direction, codecs }) => [
    mid,
    kind,
    direction,
    codecs.map(({ pt }) => pt),
  ])
  const { statistics } = rtc
  return JSON.stringify([
    medias,
    rtc.channels.map(({ id, state }) => [id, state]),
    rtc.iceState,
    rtc.closed,
    rtc.connected,
    rtc.pendingChanges()?.offer.sdp,
    statistics.ice.pairs.length,
    statistics.ice.candidatesIgnored,
    statistics.dtlsState,
    statistics.inbound.length,
  ])
}

/** True where it is taken. */
function attempt(rtc: Rtc, call: () => unknown): boolean {
  const before = seen(rtc)
  const { at } = drain(rtc)
  try {
    call()
    return true
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    check(seen(rtc) === before, `what is refused changes nothing: ${error.code}`)
    const after = drain(rtc)
    check(after.transmits.length + after.events.length === 0, 'nor does it make an output')
    check(after.at === at, `nor a timer: ${at} became ${after.at}`)
    return false
  }
}

/** Random lines: numbers differ where one has tried before. */
function comparable(sdp: string): string {
  return sdp.replaceAll(/ssrc[^\r]*|msid[^\r]*|ice-(ufrag|pwd):[^\r]*|o=- \d+|sctp-init:[^\r]*/g, '')
}

const GENUINE = DESCRIPTIONS[0]!

function offers(input: FuzzInput): void {
  const rtc = makeRtc(51)
  const flags = input.u8()
  if ((flags & 1) !== 0) rtc.acceptOffer({ type: 'offer', sdp: GENUINE })
  const count = 1 + (flags & 2)
  let taken = false
  for (let i = 0; i < count; i++) {
    const sdp =
      (flags & 4) === 0
        ? editDescription(input.pick(DESCRIPTIONS), input)
        : Buffer.from(input.rest()).toString()
    // a look changes nothing, whatever comes of it
    const before = seen(rtc)
    const summary = unlessRefused(() => rtc.readOffer({ type: 'offer', sdp }))
    check(seen(rtc) === before, 'an offer that is read changes nothing')
    const accepted = attempt(rtc, () => {
      const answer = rtc.acceptOffer({ type: 'offer', sdp })
      check(answer.type === 'answer', 'an offer has its answer')
      const sections = sdp.split(/(?:^|[\r\n])m=/).length
      check(answer.sdp.split('\r\nm=').length === sections, 'an answer has as many sections')
    })
    check(accepted === (summary !== undefined), 'what can be read can be answered')
    taken ||= accepted
  }
  if (!taken) {
    const answer = rtc.acceptOffer({ type: 'offer', sdp: GENUINE })
    const other = makeRtc(51)
    if ((flags & 1) !== 0) other.acceptOffer({ type: 'offer', sdp: GENUINE })
    const expected = other.acceptOffer({ type: 'offer', sdp: GENUINE })
    check(comparable(answer.sdp) === comparable(expected.sdp), 'the answer is that of one that saw no other')
  }
  // ours after it
  if ((flags & 8) !== 0 && rtc.pendingChanges() === undefined) {
    attempt(rtc, () => {
      const change = rtc.createOffer()
      change.addMedia('video', 'sendrecv')
      change.apply()
    })
  }
}

function answers(input: FuzzInput): void {
  const [a, b] = [makeRtc(52), makeRtc(53)]
  const flags = input.u8()
  const change = a.createOffer()
  if ((flags & 1) === 0) change.addMedia('audio', 'sendrecv')
  if ((flags & 2) === 0)
    change.addMedia('video', 'sendonly', (flags & 4) === 0 ? {} : { encodings: [{ rid: 'h' }, { rid: 'l' }] })
  if ((flags & 8) === 0) change.addChannel('x')
  if ((flags & 11) === 11) change.addMedia('audio', 'recvonly')
  const offer = change.apply()
  const genuine = b.acceptOffer(offer)
  const sdp = editDescription((flags & 16) === 0 ? genuine.sdp : input.pick(DESCRIPTIONS), input)
  const taken = attempt(a, () => a.pendingChanges()!.acceptAnswer({ type: 'answer', sdp }))
  check((a.pendingChanges() === undefined) === taken, 'an offer waits until it is answered')
  if (!taken) {
    a.pendingChanges()!.acceptAnswer(genuine)
    check(
      a.medias.length === [1, 2].filter((bit) => (flags & bit) === 0).length + ((flags & 11) === 11 ? 1 : 0),
      'the genuine answer is taken after',
    )
  }
}

export function fuzz(data: Uint8Array): void {
  const input = new FuzzInput(data)
  if (input.below(2) === 0) offers(input)
  else answers(input)
}

export function seeds(): Uint8Array[] {
  return [
    ...[0, 1, 2, 8].flatMap((flags) =>
      EDIT_SEEDS.map((edit, i) => program(0, flags, i % DESCRIPTIONS.length, edit)),
    ),
    ...[0, 1, 2, 6, 8, 11].flatMap((flags) => EDIT_SEEDS.map((edit) => program(1, flags, edit))),
    program(1, 16, 2),
    program(0, 4, DESCRIPTIONS[1]!.slice(0, 3000)),
  ]
}
