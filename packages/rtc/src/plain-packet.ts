import type { SrtpContext } from '@str0m/srtp'

/** A packet before it is protected, in a buffer that has room for that. */
export interface PlainPacket {
  readonly buffer: Uint8Array
  /** Bytes of it. */
  readonly length: number
}

/** Whether a packet may come again just as it is, as lost ones do where RFC 4588 was not negotiated; or is one that does. */
export type Repetition = 'never' | 'possible' | 'again'

/** Encrypts a packet in its buffer. Answers the datagram. */
export function protect({ buffer, length }: PlainPacket, srtp: SrtpContext): Uint8Array {
  const end = srtp.protectRtp(buffer, length)
  return end === buffer.length ? buffer : buffer.subarray(0, end)
}
