/** The orders of the groups' base points, SEC 2 sections 2.4.2 and 2.5.1. */
const CURVE_ORDERS: Record<'secp256r1' | 'secp384r1', bigint> = {
  secp256r1: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  secp384r1:
    0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
}

/**
 * A private key from 1 to the group's order − 1, drawn by rejection so that each is as likely (FIPS 186-5 section A.2.2).
 */
export function randomScalar(
  group: keyof typeof CURVE_ORDERS,
  randomBytes: (length: number) => Uint8Array,
): Uint8Array {
  const order = CURVE_ORDERS[group]
  const length = order > 1n << 256n ? 48 : 32
  for (;;) {
    const bytes = randomBytes(length)
    let value = 0n
    for (const byte of bytes) value = (value << 8n) | BigInt(byte)
    if (value > 0n && value < order) return bytes
  }
}
