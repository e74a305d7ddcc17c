import type { SigningKey } from '@str0m/crypto'
import { assert, UsageError } from '@str0m/sans-io'
import { DerTag, readDer } from './wire/der.ts'
import { encodeSignedCertificate, encodeTbsCertificate, type Validity } from './wire/x509.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
/** From 2020 to the end of 9999, RFC 5280 section 4.1.2.5: no well-defined end. For who has no calendar. */
const ALWAYS: Validity = { notBefore: 1_577_836_800_000, notAfter: 253_402_300_799_000 }
/** A clock that is a day off on either side does no harm. */
const BEFORE = DAY
const AFTER = 30 * DAY

/** What a certificate can say, RFC 5280 section 4.1.2.5: from the beginning of 1950. */
const EARLIEST = -631_152_000_000

/**
 * Around `unixTime`, in milliseconds; for ever without one. Certificates of one hour have the same: they share a template, and do not tell the second. Throws a
 * `UsageError` (`invalid-option`) where the years of a certificate, 1950 to 9999, do not have it.
 */
export function validityAround(unixTime: number | undefined): Validity {
  if (unixTime === undefined) return ALWAYS
  const hour = unixTime - (unixTime % HOUR)
  const [notBefore, notAfter] = [hour - BEFORE, hour + AFTER]
  if (!(notBefore >= EARLIEST && notAfter <= ALWAYS.notAfter)) {
    throw new UsageError('invalid-option', `wallClock.unixTime is milliseconds since 1970, not ${unixTime}`)
  }
  return { notBefore, notAfter }
}

/** Octets of every serial number: the first of them is from 0x40 to 0x7f. */
export const SERIAL_NUMBER_LENGTH = 16
/** Octets of the SubjectPublicKeyInfo of a key on P-256, RFC 5480 section 2. */
const PUBLIC_KEY_LENGTH = 91

/** A TBSCertificate for one name and validity that lacks its serial number and key. Nothing in it is secret. */
interface CertificateTemplate extends Validity {
  readonly commonName: string
  readonly tbs: Uint8Array
  readonly serialNumberAt: number
}

/** What was asked for last: an application's certificates are alike but for what the template lacks. */
let last: CertificateTemplate | undefined

/** DER of a self-signed X.509 certificate, version 3, ecdsa-with-SHA256 (RFC 5280 section 4.1). */
export function buildCertificate(
  key: SigningKey,
  commonName: string,
  serialNumber: Uint8Array,
  validity: Validity,
): Uint8Array {
  const { notBefore, notAfter } = validity
  if (last?.commonName !== commonName || last.notBefore !== notBefore || last.notAfter !== notAfter) {
    last = makeTemplate(commonName, validity)
  }
  const tbs = last.tbs.slice()
  tbs.set(serialNumber, last.serialNumberAt)
  tbs.set(key.publicKey, tbs.length - PUBLIC_KEY_LENGTH)
  return encodeSignedCertificate(tbs, key.sign(tbs))
}

function makeTemplate(commonName: string, validity: Validity): CertificateTemplate {
  const tbs = encodeTbsCertificate({
    serialNumber: new Uint8Array(SERIAL_NUMBER_LENGTH),
    commonName,
    validity,
    subjectPublicKeyInfo: new Uint8Array(PUBLIC_KEY_LENGTH),
  })
  const sequence = readDer(tbs, 0, tbs.length, DerTag.sequence)
  const version = sequence && readDer(tbs, sequence.contents, tbs.length, DerTag.context0)
  const serialNumber = version && readDer(tbs, version.end, tbs.length, DerTag.integer)
  assert(serialNumber !== undefined, 'a TBSCertificate begins with version and serial number')
  return { commonName, ...validity, tbs, serialNumberAt: serialNumber.contents }
}
