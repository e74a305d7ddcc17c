const TABLE = new Uint32Array(256)
for (let i = 0; i < 256; i++) {
  let value = i
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb8_8320 : value >>> 1
  TABLE[i] = value
}

/** The CRC-32 of ITU V.42 over `bytes` up to `end`: what FINGERPRINT is made of, RFC 8489 section 14.7. */
export function crc32(bytes: Uint8Array, end: number = bytes.length): number {
  let value = 0xffff_ffff
  for (let i = 0; i < end; i++) value = (value >>> 8) ^ TABLE[(value ^ bytes[i]!) & 0xff]!
  return (value ^ 0xffff_ffff) >>> 0
}
