// The choice of a version: RFC 8446 sections 4.2.1 and 4.1.3, RFC 9147 section 5.3.

import { sameBytes } from '../bytes.ts'
import type { DtlsVersion } from '../dtls-version.ts'
import type { ClientHello, ServerHello } from '../wire/hello.ts'
import { DTLS_1_2, DTLS_1_3, RANDOM_LENGTH } from '../wire/protocol.ts'

/** "DOWNGRD" and 1: the end of the random of a server that could have done better than DTLS 1.2. */
const DOWNGRADE_SENTINEL = new Uint8Array([0x44, 0x4f, 0x57, 0x4e, 0x47, 0x52, 0x44, 0x01])
const SENTINEL_AT = RANDOM_LENGTH - DOWNGRADE_SENTINEL.length

/** Whether a ClientHello is to be answered with DTLS 1.3. */
export function offers13(versions: readonly DtlsVersion[], hello: ClientHello): boolean {
  return versions.includes('DTLS 1.3') && hello.extensions.supportedVersions?.includes(DTLS_1_3) === true
}

/** Whether a ClientHello may be answered with DTLS 1.2. Where it has a list of versions, the version of its own field says nothing. */
export function offers12({ version, extensions }: ClientHello): boolean {
  const { supportedVersions } = extensions
  // versions of DTLS count down; one that offers a later version in its hello's own field takes ours
  return supportedVersions === undefined
    ? version >>> 8 === 0xfe && version <= DTLS_1_2
    : supportedVersions.includes(DTLS_1_2)
}

/** Whether a server has chosen DTLS 1.3. */
export function chooses13(hello: ServerHello): boolean {
  return hello.extensions.supportedVersions?.[0] === DTLS_1_3
}

/** Of a server that has DTLS 1.3 too, where it chooses DTLS 1.2. */
export function markDowngrade(serverRandom: Uint8Array): void {
  serverRandom.set(DOWNGRADE_SENTINEL, SENTINEL_AT)
}

/** Of a server that says that it could have done better, whether than DTLS 1.2 or, with a 0 at the end, than what was before. */
export function isDowngrade(serverRandom: Uint8Array): boolean {
  const end = serverRandom.subarray(SENTINEL_AT)
  return sameBytes(end.subarray(0, -1), DOWNGRADE_SENTINEL.subarray(0, -1)) && end.at(-1)! <= 1
}
