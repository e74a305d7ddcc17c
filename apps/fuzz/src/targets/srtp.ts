import { SrtpContext, srtpKeyLengths, type SrtpProfile } from '@str0m/srtp'
import { check, sameBytes, unlessRefused } from '../check.ts'
import { fuzzCrypto } from '../crypto.ts'
import { counted, FuzzInput, program } from '../input.ts'

// A sender's packets, which arrive changed, twice, late or not at all, beside forged ones. What is not genuine is dropped and changes nothing.

const PROFILES: readonly SrtpProfile[] = [
  'AEAD_AES_128_GCM',
  'AES_CM_128_HMAC_SHA1_80',
  'AEAD_AES_256_GCM',
  'AES_CM_128_HMAC_SHA1_32',
]
const STREAMS = 4
const MAX_OPS = 200

interface Sent {
  readonly rtcp: boolean
  readonly plain: Uint8Array
  readonly wire: Uint8Array
  arrived: boolean
}

export function fuzz(data: Uint8Array): void {
  const input = new FuzzInput(data)
  const profile = input.pick(PROFILES)
  const lengths = srtpKeyLengths(profile)
  const options = {
    profile,
    masterKey: new Uint8Array(lengths.key).fill(7),
    masterSalt: new Uint8Array(lengths.salt).fill(9),
    crypto: fuzzCrypto(1),
    maxStreams: STREAMS,
  }
  const sender = new SrtpContext({ ...options, maxStreams: 300 })
  const receiver = new SrtpContext(options)
  const sent: Sent[] = []
  const unprotect = (rtcp: boolean, bytes: Uint8Array): number => {
    const length = rtcp ? receiver.unprotectRtcp(bytes) : receiver.unprotectRtp(bytes)
    check(length >= -1 && length <= bytes.length, 'a packet does not grow')
    return length
  }
  for (let ops = 0; ops < MAX_OPS && !input.done; ops++) {
    const op = input.below(6)
    if (op < 2) {
      // a packet, and whether it arrives at once
      const rtcp = op === 1
      const arrives = input.below(4) > 0
      const plain = input.bytes()
      const overhead = rtcp ? sender.rtcpOverhead : sender.rtpOverhead
      const wire = new Uint8Array(plain.length + overhead)
      wire.set(plain)
      const length = unlessRefused(() =>
        rtcp ? sender.protectRtcp(wire, plain.length) : sender.protectRtp(wire, plain.length),
      )
      if (length === undefined) continue
      check(length === wire.length, 'a packet grows by the overhead')
      const packet = { rtcp, plain, wire, arrived: false }
      sent.push(packet)
      if (arrives) arrive(packet)
    } else if (op === 2) unprotect(input.below(2) === 0, input.bytes())
    else if (sent.length > 0) {
      const packet = sent[input.u8() % sent.length]!
      if (op === 3) arrive(packet)
      else {
        const forged = packet.wire.slice()
        const at = input.u16() % forged.length
        const by = input.u8()
        forged[at]! ^= by
        const cut = op === 4 ? forged : forged.slice(0, Math.max(0, forged.length - input.below(20)))
        const isGenuine = sameBytes(cut, packet.wire)
        if (isGenuine) arrive(packet)
        else check(unprotect(packet.rtcp, cut) === -1, 'what was changed on its way is dropped')
      }
    }
  }
  const { dropped } = receiver.statistics
  for (const count of Object.values(dropped)) check(Number.isInteger(count), 'drops are counted')

  function arrive(packet: Sent): void {
    const wire = packet.wire.slice()
    const length = unprotect(packet.rtcp, wire)
    if (length < 0) return
    check(!packet.arrived, 'a packet arrives once')
    packet.arrived = true
    check(sameBytes(wire.subarray(0, length), packet.plain), 'what arrives is what was sent')
  }
}

export function seeds(): Uint8Array[] {
  const rtp = (sequence: number): Uint8Array =>
    counted(program(0x80, 96, sequence >> 8, sequence, 0, 0, 0, 1, 0, 0, 0, 2, 'payload'))
  const extended = counted(
    program(0x91, 96, 0, 9, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 5, 0xbe, 0xde, 0, 1, 0x10, 1, 0, 0, 'payload'),
  )
  const rtcp = counted(program(0x80, 201, 0, 1, 0, 0, 0, 2))
  const sentAndRepeated = program(
    program(0, 1, rtp(65_534), 0, 1, rtp(65_535), 0, 0, rtp(0)),
    program(3, 2, 3, 2, 1, 1, rtcp, 1, 0, rtcp, 3, 3),
  )
  const forgedAndCut = program(0, 1, extended, 4, 1, 0, 20, 3, 5, 1, 0, 2, 0, 9, 2, 0, rtp(7))
  return PROFILES.map((_, i) => program(i, sentAndRepeated, forgedAndCut))
}
