import type { Settings } from './options.ts'
import type { DropReason } from './statistics.ts'
import { ChunkType, COMMON_HEADER, TLV_HEADER } from './wire/constants.ts'
import { readChecksum, readHeader, verifyChecksum } from './wire/packet.ts'
import { TlvIterator } from './wire/tlv.ts'

/** A packet whose checksum, ports and chunk lengths are right. Its verification tag is not yet looked at. */
export interface AdmittedPacket {
  readonly verificationTag: number
  /** Of the first chunk. */
  readonly type: number
  readonly flags: number
  /** Before the first chunk. */
  readonly chunks: TlvIterator
}

/** Looks at a packet as a whole, RFC 9260 section 6.8: admitted, or why not. */
export function admit(bytes: Uint8Array, settings: Settings): AdmittedPacket | DropReason {
  if (bytes.length < COMMON_HEADER + TLV_HEADER) return 'too-short'
  const header = readHeader(bytes)
  const type = bytes[COMMON_HEADER]!
  // RFC 9653 section 5.3: whoever has been told so may leave it out, from the INIT ACK on; an INIT comes before anything is told
  const mayBeZero = settings.zeroChecksum && type !== ChunkType.init && readChecksum(bytes) === 0
  if (!mayBeZero && !verifyChecksum(bytes)) return 'bad-checksum'
  if (header.destinationPort !== settings.localPort || header.sourcePort !== settings.remotePort) {
    return 'wrong-port'
  }
  const chunks = new TlvIterator(bytes, COMMON_HEADER, bytes.length)
  if (!chunks.check()) return 'malformed'
  return { verificationTag: header.verificationTag, type, flags: bytes[COMMON_HEADER + 1]!, chunks }
}
