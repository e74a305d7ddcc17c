import { AsnConvert, OctetString } from '@peculiar/asn1-schema'
import {
  AttributeTypeAndValue,
  AttributeValue,
  Certificate as Asn1Certificate,
  Name,
  RelativeDistinguishedName,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Time,
  Validity,
  Version,
} from '@peculiar/asn1-x509'
import { ecdsaWithSHA256 } from '@peculiar/asn1-ecc'
import type { SigningKey } from '@str0m/crypto'

const COMMON_NAME = '2.5.4.3'
const DAY = 86_400_000

/** Unix times in milliseconds. */
export interface ValidityPeriod {
  readonly notBefore: number
  readonly notAfter: number
}

/** From 2020 to the end of 9999, RFC 5280 section 4.1.2.5: no well-defined end. For who has no calendar. */
const ALWAYS: ValidityPeriod = { notBefore: 1_577_836_800_000, notAfter: 253_402_300_799_000 }
/** A clock that is a day off on either side does no harm. */
const BEFORE = DAY
const AFTER = 30 * DAY

/** Around `unixTime`, in milliseconds; for ever without one. */
export function validityAround(unixTime: number | undefined): ValidityPeriod {
  if (unixTime === undefined) return ALWAYS
  const second = Math.floor(unixTime / 1000) * 1000
  return { notBefore: second - BEFORE, notAfter: second + AFTER }
}

/** DER of a self-signed X.509 certificate, version 3, ecdsa-with-SHA256 (RFC 5280 section 4.1). */
export function buildCertificate(
  key: SigningKey,
  subject: string,
  serialNumber: Uint8Array<ArrayBuffer>,
  validity: ValidityPeriod,
): Uint8Array {
  const name = new Name([
    new RelativeDistinguishedName([
      new AttributeTypeAndValue({ type: COMMON_NAME, value: new AttributeValue({ utf8String: subject }) }),
    ]),
  ])
  const tbsCertificate = new TBSCertificate({
    version: Version.v3,
    serialNumber: serialNumber.buffer,
    signature: ecdsaWithSHA256,
    issuer: name,
    validity: asn1Validity(validity),
    subject: name,
    subjectPublicKeyInfo: AsnConvert.parse(key.publicKey, SubjectPublicKeyInfo),
  })
  const signature = key.sign(new Uint8Array(AsnConvert.serialize(tbsCertificate)))
  const certificate = new Asn1Certificate({
    tbsCertificate,
    signatureAlgorithm: ecdsaWithSHA256,
    signatureValue: new OctetString(signature).buffer,
  })
  return new Uint8Array(AsnConvert.serialize(certificate))
}

function asn1Validity(period: ValidityPeriod): Validity {
  const validity = new Validity()
  validity.notBefore = new Time(period.notBefore)
  validity.notAfter = new Time(period.notAfter)
  return validity
}
