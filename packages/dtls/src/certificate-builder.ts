import type { SigningKey } from '@str0m/crypto'
import { encodeSignedCertificate, encodeTbsCertificate, type Validity } from './wire/x509.ts'

const DAY = 86_400_000
/** From 2020 to the end of 9999, RFC 5280 section 4.1.2.5: no well-defined end. For who has no calendar. */
const ALWAYS: Validity = { notBefore: 1_577_836_800_000, notAfter: 253_402_300_799_000 }
/** A clock that is a day off on either side does no harm. */
const BEFORE = DAY
const AFTER = 30 * DAY

/** Around `unixTime`, in milliseconds; for ever without one. */
export function validityAround(unixTime: number | undefined): Validity {
  return unixTime === undefined ? ALWAYS : { notBefore: unixTime - BEFORE, notAfter: unixTime + AFTER }
}

/** DER of a self-signed X.509 certificate, version 3, ecdsa-with-SHA256 (RFC 5280 section 4.1). */
export function buildCertificate(
  key: SigningKey,
  commonName: string,
  serialNumber: Uint8Array,
  validity: Validity,
): Uint8Array {
  const tbs = encodeTbsCertificate({
    serialNumber,
    commonName,
    validity,
    subjectPublicKeyInfo: key.publicKey,
  })
  return encodeSignedCertificate(tbs, key.sign(tbs))
}
