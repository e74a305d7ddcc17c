// X.509 certificates, RFC 5280 section 4.1: writing a self-signed one, and finding the key in a peer's. A certificate
// of WebRTC is trusted by the fingerprint that the signalling announced (RFC 8122), so of a peer's nothing but the key
// is looked at: neither chain, name, dates nor signature.

import { encodeUtf8 } from '@str0m/sans-io'
import { DerTag, encodeDer, readDer } from './der.ts'

/** version [0] EXPLICIT, v3 (2). */
const VERSION_3 = new Uint8Array([DerTag.context0, 3, DerTag.integer, 1, 2])
/** AlgorithmIdentifier of ecdsa-with-SHA256, 1.2.840.10045.4.3.2, RFC 5758 section 3.2: without parameters. */
const ECDSA_WITH_SHA256 = encodeDer(
  DerTag.sequence,
  encodeDer(DerTag.objectIdentifier, new Uint8Array([0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02])),
)
/** id-at-commonName, 2.5.4.3. */
const COMMON_NAME = encodeDer(DerTag.objectIdentifier, new Uint8Array([0x55, 0x04, 0x03]))
/** A bit string begins with the number of bits to leave out at its end. */
const NO_UNUSED_BITS = new Uint8Array([0])

/** Unix times in milliseconds, to the second. Years 1950 to 9999. */
export interface Validity {
  readonly notBefore: number
  readonly notAfter: number
}

/** What a self-signed certificate says. */
export interface SelfSigned {
  /** Big-endian; positive, without leading zeros: the first byte is from 0x01 to 0x7f. */
  readonly serialNumber: Uint8Array
  /** Of subject and issuer. */
  readonly commonName: string
  readonly validity: Validity
  /** DER. */
  readonly subjectPublicKeyInfo: Uint8Array
}

/** The TBSCertificate of version 3, which ecdsa-with-SHA256 is to sign. */
export function encodeTbsCertificate(certificate: SelfSigned): Uint8Array {
  const attribute = encodeDer(
    DerTag.sequence,
    COMMON_NAME,
    encodeDer(DerTag.utf8String, encodeUtf8(certificate.commonName)),
  )
  const name = encodeDer(DerTag.sequence, encodeDer(DerTag.set, attribute))
  const { notBefore, notAfter } = certificate.validity
  return encodeDer(
    DerTag.sequence,
    VERSION_3,
    encodeDer(DerTag.integer, certificate.serialNumber),
    ECDSA_WITH_SHA256,
    name,
    encodeDer(DerTag.sequence, encodeTime(notBefore), encodeTime(notAfter)),
    name,
    certificate.subjectPublicKeyInfo,
  )
}

/** The Certificate, from its TBSCertificate and a DER ECDSA signature over it. */
export function encodeSignedCertificate(tbsCertificate: Uint8Array, signature: Uint8Array): Uint8Array {
  const signatureValue = encodeDer(DerTag.bitString, NO_UNUSED_BITS, signature)
  return encodeDer(DerTag.sequence, tbsCertificate, ECDSA_WITH_SHA256, signatureValue)
}

/** RFC 5280 section 4.1.2.5: UTCTime through 2049, GeneralizedTime from then on. */
function encodeTime(unixTime: number): Uint8Array {
  const { year, month, day, second } = civilTime(unixTime)
  const two = (value: number): string => String(value).padStart(2, '0')
  const clock = two(Math.floor(second / 3600)) + two(Math.floor(second / 60) % 60) + two(second % 60)
  const rest = `${two(month)}${two(day)}${clock}Z`
  return year < 2050
    ? encodeDer(DerTag.utcTime, encodeUtf8(two(year % 100) + rest))
    : encodeDer(DerTag.generalizedTime, encodeUtf8(String(year).padStart(4, '0') + rest))
}

interface CivilTime {
  readonly year: number
  readonly month: number
  readonly day: number
  /** Of the day. */
  readonly second: number
}

const DAYS_IN_400_YEARS = 146_097
/** From 0000-03-01 to 1970-01-01. */
const DAYS_BEFORE_1970 = 719_468

/** The Gregorian calendar, whose years here begin in March, so that the leap day is a year's last. */
function civilTime(unixTime: number): CivilTime {
  const seconds = Math.floor(unixTime / 1000)
  const days = Math.floor(seconds / 86_400)
  const sinceMarch = days + DAYS_BEFORE_1970
  const era = Math.floor(sinceMarch / DAYS_IN_400_YEARS)
  const dayOfEra = sinceMarch - era * DAYS_IN_400_YEARS
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  )
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const marchMonth = Math.floor((5 * dayOfYear + 2) / 153)
  const month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
  return {
    year: era * 400 + yearOfEra + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * marchMonth + 2) / 5) + 1,
    second: seconds - days * 86_400,
  }
}

/**
 * The DER SubjectPublicKeyInfo in a certificate, a view of it; `undefined` where the bytes do not have the outline of a
 * certificate: a TBSCertificate, an algorithm and a signature, and nothing after them.
 */
export function subjectPublicKeyInfo(der: Uint8Array): Uint8Array | undefined {
  const certificate = readDer(der, 0, der.length, DerTag.sequence)
  if (certificate?.end !== der.length) return undefined
  const tbs = readDer(der, certificate.contents, certificate.end, DerTag.sequence)
  const algorithm = tbs && readDer(der, tbs.end, certificate.end, DerTag.sequence)
  const signature = algorithm && readDer(der, algorithm.end, certificate.end, DerTag.bitString)
  if (tbs === undefined || signature?.end !== certificate.end) return undefined
  // absent: version 1
  let at = readDer(der, tbs.contents, tbs.end, DerTag.context0)?.end ?? tbs.contents
  for (const tag of FIELDS_BEFORE_KEY) {
    const field = readDer(der, at, tbs.end, tag)
    if (field === undefined) return undefined
    at = field.end
  }
  const spki = readDer(der, at, tbs.end, DerTag.sequence)
  return spki && der.subarray(at, spki.end)
}

/** serialNumber, signature, issuer, validity, subject. */
const FIELDS_BEFORE_KEY = [DerTag.integer, DerTag.sequence, DerTag.sequence, DerTag.sequence, DerTag.sequence]
