import type { KeystreamAhead } from './keystream.ts'

/**
 * What a profile does to one packet under one pair of session keys. No state of its own beyond keys and
 * caches: indices are the context's.
 */
export interface RtpProtection {
  /**
   * Encrypts the payload in place, and appends the tag: `buffer` has room for it after `length`. `index` is
   * the packet index of RFC 3711 section 3.3.1. `ahead` belongs to the packet's stream.
   */
  protect(
    buffer: Uint8Array,
    headerLength: number,
    length: number,
    ssrc: number,
    index: number,
    ahead: KeystreamAhead | undefined,
  ): void
  /** Verifies the tag that `packet` ends in, and decrypts in place. False, with `packet` as it was, where it does not match. */
  unprotect(
    packet: Uint8Array,
    headerLength: number,
    ssrc: number,
    index: number,
    ahead: KeystreamAhead | undefined,
  ): boolean
  /**
   * After the packet `index`, which is authenticated or our own and had `payload` bytes of payload: makes keystream
   * for the packets that follow, where the stream is busy.
   */
  prepare(ssrc: number, index: number, payload: number, ahead: KeystreamAhead): void
}

/** The same for SRTCP, where the packet carries E flag and index. */
export interface RtcpProtection {
  /** Encrypts in place, and appends tag, E flag and index in the profile's order. */
  protect(buffer: Uint8Array, length: number, ssrc: number, index: number): void
  /**
   * `trailer`: the E flag and index as read. Verifies; decrypts in place where the flag is set. False, with
   * `packet` as it was, where the tag does not match.
   */
  unprotect(packet: Uint8Array, ssrc: number, trailer: number): boolean
  /** Where the E flag and index lie in a packet of `length` bytes. */
  trailerAt(length: number): number
}
