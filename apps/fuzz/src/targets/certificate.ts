import { type CryptoProvider, nativeCrypto, portableCrypto } from '@str0m/crypto'
import { DtlsCertificate } from '@str0m/dtls'
import { SeededRandom } from '@str0m/sans-io'
import { readSpki } from '../../../../packages/crypto/src/key-format.ts'
import { DerTag, encodeDer, readDer } from '../../../../packages/dtls/src/wire/der.ts'
import { subjectPublicKeyInfo } from '../../../../packages/dtls/src/wire/x509.ts'
import { check, sameBytes, unlessRefused } from '../check.ts'
import { fuzzCrypto } from '../crypto.ts'
import { FuzzInput, program } from '../input.ts'

// DER, X.509, PEM and the formats of keys, with edits of what is genuine. Both providers take and refuse the same keys.

const native = nativeCrypto()
const portable = portableCrypto()
const crypto = fuzzCrypto(11)
const own = DtlsCertificate.generate({ crypto })
const PKCS8 = own.exportPkcs8()

function pem(label: string, der: Uint8Array): string {
  return `-----BEGIN ${label}-----\n${Buffer.from(der).toString('base64')}\n-----END ${label}-----\n`
}

function importable(provider: CryptoProvider, pkcs8: Uint8Array): Uint8Array | undefined {
  return unlessRefused(() => provider.importSigningKey(pkcs8).publicKey)
}

function elements(bytes: Uint8Array): void {
  for (const tag of Object.values(DerTag)) {
    const element = readDer(bytes, 0, bytes.length, tag)
    if (element === undefined) continue
    check(element.contents <= element.end && element.end <= bytes.length, 'an element lies in its bytes')
    const contents = bytes.subarray(element.contents, element.end)
    check(sameBytes(encodeDer(tag, contents), bytes.subarray(0, element.end)), 'DER has one form')
  }
}

/** Flips, cuts and inserts: up to eight. */
function edited(genuine: Uint8Array, input: FuzzInput): Uint8Array {
  let bytes: Uint8Array = genuine.slice()
  for (let edits = 0; edits < 8 && !input.done; edits++) {
    const kind = input.below(4)
    const at = input.u16() % (bytes.length + 1)
    if (kind === 0) bytes[at % Math.max(1, bytes.length)] = input.u8()
    else if (kind === 1) bytes = bytes.slice(0, at)
    else if (kind === 2) bytes = program(bytes.subarray(0, at), input.bytes(), bytes.subarray(at))
    else bytes = program(bytes.subarray(0, at), bytes.subarray(at + input.u8()))
  }
  return bytes
}

const KINDS: readonly ((input: FuzzInput) => void)[] = [
  (input) => elements(input.rest()),
  (input) => certificate(edited(own.der, input)),
  (input) => publicKey(edited(input.pick(PUBLIC_KEYS), input)),
  (input) => privateKey(edited(PKCS8, input)),
  (input) => {
    const text = pem('PRIVATE KEY', PKCS8) + pem('CERTIFICATE', own.der)
    const changed = Buffer.from(edited(Buffer.from(text), input)).toString('latin1')
    const made = unlessRefused(() => DtlsCertificate.fromPem(changed, { crypto }))
    if (made !== undefined)
      check(made.fingerprint('sha-256').length === 95, 'a certificate has a fingerprint')
  },
  (input) => publicKey(input.rest()),
]

function certificate(der: Uint8Array): void {
  const spki = subjectPublicKeyInfo(der)
  if (spki !== undefined) check(spki.length < der.length, 'a key is a part of its certificate')
  const made = unlessRefused(() => DtlsCertificate.fromPkcs8(PKCS8, der, { crypto }))
  if (made !== undefined) check(sameBytes(made.der, der), 'a certificate is kept as it is')
}

function publicKey(spki: Uint8Array): void {
  const info = readSpki(spki)
  const keys = [native, portable].map((provider) => provider.importVerifyingKey(spki))
  check(
    (keys[0] === undefined) === (keys[1] === undefined),
    `both take it or none: ${keys.map((key) => key?.type).join(', ')}`,
  )
  check(keys[0] === undefined || info !== undefined, 'a key has a format')
}

function privateKey(pkcs8: Uint8Array): void {
  const [one, other] = [importable(native, pkcs8), importable(portable, pkcs8)]
  check((one === undefined) === (other === undefined), `both take it or none: native ${one !== undefined}`)
  if (one !== undefined && other !== undefined) check(sameBytes(one, other), 'and find the same public key')
}

const RSA_MODULUS = new Uint8Array(128).map((_, i) => i + 1)
RSA_MODULUS[0] = 0xc1
RSA_MODULUS[127] = 0x0f

function rsaKey(): Uint8Array {
  const modulus = encodeDer(0x02, program(0, RSA_MODULUS))
  const key = encodeDer(0x30, modulus, encodeDer(0x02, Uint8Array.of(1, 0, 1)))
  const oid = Uint8Array.of(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01)
  const algorithm = encodeDer(0x30, encodeDer(0x06, oid), encodeDer(0x05))
  return encodeDer(0x30, algorithm, encodeDer(0x03, program(0, key)))
}

const PUBLIC_KEYS: readonly Uint8Array[] = [
  nativeCrypto({ random: new SeededRandom(5).fill }).generateSigningKey().publicKey,
  rsaKey(),
]

export function fuzz(data: Uint8Array): void {
  const input = new FuzzInput(data)
  input.pick(KINDS)(input)
}

export function seeds(): Uint8Array[] {
  return [
    program(0, own.der),
    program(0, PKCS8),
    program(1),
    program(1, 0, 0, 3, 0x81, 2, 0, 9, 2, 5, 0, 3, 0, 40, 3),
    program(2, 0),
    program(2, 1),
    program(2, 1, 0, 0, 25, 9),
    program(3),
    program(3, 0, 0, 36, 0xff),
    program(4),
    program(4, 2, 0, 40, 2, '\n '),
    program(5, PUBLIC_KEYS[0]!),
    program(5, PUBLIC_KEYS[1]!),
  ]
}
