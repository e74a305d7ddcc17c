/** Seconds from 1900 to 1970, RFC 5905 appendix A. */
const NTP_UNIX_OFFSET = 2_208_988_800n

/** NTP time (32 bits of seconds since 1900, 32 of their fraction) out of milliseconds since 1970. */
export function ntpFromUnix(milliseconds: number): bigint {
  const seconds = Math.floor(milliseconds / 1000)
  const fraction = Math.floor((milliseconds / 1000 - seconds) * 0x1_0000_0000)
  return (((BigInt(seconds) + NTP_UNIX_OFFSET) & 0xffff_ffffn) << 32n) | BigInt(fraction)
}

/**
 * Milliseconds since 1970 out of NTP time, from 1968 to 2104: without the highest bit, the seconds are of the era that starts in
 * February 2036 (RFC 5905 section 6).
 */
export function unixFromNtp(ntp: bigint): number {
  const era = ntp >> 63n === 1n ? 0n : 0x1_0000_0000n
  const seconds = Number((ntp >> 32n) + era - NTP_UNIX_OFFSET)
  return seconds * 1000 + (Number(ntp & 0xffff_ffffn) / 0x1_0000_0000) * 1000
}

/** The middle 32 bits, as reports quote them (RFC 3550 section 6.4.1). */
export function ntpMiddle(ntp: bigint): number {
  return Number((ntp >> 16n) & 0xffff_ffffn)
}
