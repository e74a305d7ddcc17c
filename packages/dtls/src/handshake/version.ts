// The choice of a version: RFC 8446 sections 4.2.1 and 4.1.3, RFC 9147 section 5.3.

import { sameBytes } from '../bytes.ts'
import type { ClientHello, ServerHello } from '../wire/hello.ts'
import { DTLS_1_3, RANDOM_LENGTH } from '../wire/protocol.ts'
import type { HandshakeConfig } from './context.ts'

/** "DOWNGRD" and 1: the end of the random of a server that could have done better than DTLS 1.2. */
const DOWNGRADE_SENTINEL = new Uint8Array([0x44, 0x4f, 0x57, 0x4e, 0x47, 0x52, 0x44, 0x01])
const SENTINEL_AT = RANDOM_LENGTH - DOWNGRADE_SENTINEL.length

/** Whether a ClientHello is to be answered with DTLS 1.3. */
export function offers13(config: Pick<HandshakeConfig, 'versions'>, hello: ClientHello): boolean {
  return (
    config.versions.includes('DTLS 1.3') && hello.extensions.supportedVersions?.includes(DTLS_1_3) === true
  )
}

/** Whether a server has chosen DTLS 1.3. */
export function chooses13(hello: ServerHello): boolean {
  return hello.extensions.supportedVersions?.[0] === DTLS_1_3
}

/** Of a server that has DTLS 1.3 too, where it chooses DTLS 1.2. */
export function markDowngrade(serverRandom: Uint8Array): void {
  serverRandom.set(DOWNGRADE_SENTINEL, SENTINEL_AT)
}

export function isDowngrade(serverRandom: Uint8Array): boolean {
  return sameBytes(serverRandom.subarray(SENTINEL_AT), DOWNGRADE_SENTINEL)
}
