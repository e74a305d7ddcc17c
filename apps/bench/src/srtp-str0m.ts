import { randomBytes } from 'node:crypto'
import { nativeCrypto, portableCrypto } from '@str0m/crypto'
import { SrtpContext, type SrtpProfile, srtpKeyLengths } from '@str0m/srtp'
import { makePacket, PACKET_LENGTH, setSequenceNumber } from './packets.ts'
import type { Pair } from './srtp-node.ts'

const SSRC = 0x5712_0001

export type ProviderName = 'native' | 'portable'

/** Our contexts, as a sender and a receiver of one stream. */
export function str0mSrtp(profile: SrtpProfile, provider: ProviderName, packets: number): Pair {
  const { key, salt } = srtpKeyLengths(profile)
  const options = {
    profile,
    crypto: provider === 'native' ? nativeCrypto() : portableCrypto(),
    masterKey: randomBytes(key),
    masterSalt: randomBytes(salt),
  }
  return { protect: protecting(options, packets), unprotect: unprotecting(options, packets) }
}

type Options = ConstructorParameters<typeof SrtpContext>[0]

function protecting(options: Options, packets: number): Pair['protect'] {
  const sender = new SrtpContext(options)
  const buffers = Array.from({ length: packets }, () => makePacket(SSRC, sender.rtpOverhead))
  let sequenceNumber = 0
  return {
    name: '@str0m/srtp',
    operations: packets,
    prepare: () => {
      for (const buffer of buffers) setSequenceNumber(buffer, sequenceNumber++ & 0xffff)
    },
    run: () => {
      for (const buffer of buffers) sender.protectRtp(buffer, PACKET_LENGTH)
    },
  }
}

function unprotecting(options: Options, packets: number): Pair['unprotect'] {
  const sender = new SrtpContext(options)
  const receiver = new SrtpContext(options)
  const buffers = Array.from({ length: packets }, () => makePacket(SSRC, sender.rtpOverhead))
  let sequenceNumber = 0
  return {
    name: '@str0m/srtp',
    operations: packets,
    prepare: () => {
      for (const buffer of buffers) {
        setSequenceNumber(buffer, sequenceNumber++ & 0xffff)
        sender.protectRtp(buffer, PACKET_LENGTH)
      }
    },
    run: () => {
      for (const buffer of buffers) {
        if (receiver.unprotectRtp(buffer) < 0) throw new Error('A packet of our own was refused')
      }
    },
  }
}
