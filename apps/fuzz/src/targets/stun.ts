import { nativeCrypto } from '@str0m/crypto'
import { writeU16, writeU32 } from '@str0m/sans-io'
import { isStun, parseStun, stunUsername, verifyStunIntegrity, writeStun } from '@str0m/stun-ice'
import { fingerprintOf } from '../../../../packages/stun-ice/src/stun-parse.ts'
import { check, sameBytes } from '../check.ts'
import { capture } from '../fixtures.ts'
import { FuzzInput, program } from '../input.ts'

// STUN messages as they are, with a header that is right, or with a FINGERPRINT that is right too; what was read is written and read again.

const hmac = nativeCrypto().hmac('sha1', Uint8Array.of(1, 2, 3))
const MODES = 3

function repaired(bytes: Uint8Array, mode: number): Uint8Array {
  if (mode === 0) return bytes
  const body = bytes.subarray(Math.min(bytes.length, 20))
  const length = 4 * Math.ceil(body.length / 4)
  const out = new Uint8Array(20 + length + (mode === 2 ? 8 : 0))
  out.set(bytes.subarray(0, 20))
  out.set(body, 20)
  out[0]! &= 0x3f
  writeU16(out, 2, out.length - 20)
  writeU32(out, 4, 0x2112_a442)
  if (mode === 2) {
    const at = out.length - 8
    writeU32(out, at, 0x8028_0004)
    writeU32(out, at + 4, fingerprintOf(out, at))
  }
  return out
}

export function fuzz(data: Uint8Array): void {
  const input = new FuzzInput(data)
  const mode = input.below(MODES)
  const bytes = repaired(input.rest(), mode)
  isStun(bytes)
  const username = stunUsername(bytes)
  const message = parseStun(bytes)
  if (typeof message === 'string') {
    check(message.length > 0, 'a fault has a name')
    return
  }
  verifyStunIntegrity(message, hmac)
  check(message.notUnderstood.length <= 16, 'the types that are not understood are bounded')
  check((message.others?.length ?? 0) * 4 <= bytes.length, 'attributes are no more than their bytes')
  if (username !== undefined && message.username !== undefined) {
    check(message.username.startsWith(username), 'the user name is the same, looked at or parsed')
  }
  const written = writeStun(message, { integrity: hmac })
  const again = parseStun(written)
  if (typeof again === 'string') throw new Error(`what is written is no message: ${again}`)
  check(verifyStunIntegrity(again, hmac), 'what is written verifies')
  check(sameBytes(writeStun(again, { integrity: hmac }), written), 'what is read is written the same')
}

export function seeds(): Uint8Array[] {
  const captured = ['chromium', 'firefox'].flatMap((name) =>
    capture(`packages/stun-ice/test/fixtures/${name}-stun-binding-request.hex`),
  )
  const transactionId = Uint8Array.from({ length: 12 }, (_, i) => i)
  const v4 = { address: '192.0.2.1', port: 4711 }
  const v6 = { address: '2001:db8::1', port: 4712 }
  const made = [
    writeStun({ class: 'success', method: 1, transactionId, xorMappedAddress: v4, software: 'x' }),
    writeStun({ class: 'success', method: 1, transactionId, mappedAddress: v6, alternateServer: v6 }),
    writeStun({
      class: 'error',
      method: 1,
      transactionId,
      errorCode: { code: 420, reason: 'Unknown Attribute' },
      unknownAttributes: [0x24, 0x7f],
      realm: 'r',
      nonce: 'n',
    }),
    writeStun(
      { class: 'request', method: 1, transactionId, username: 'a:b', priority: 1, iceControlled: 1n },
      { integrity: hmac },
    ),
    writeStun({ class: 'indication', method: 3, transactionId, useCandidate: true, iceControlling: 2n }),
  ]
  return [...captured, ...made].flatMap((bytes) => [0, 1, 2].map((mode) => program(mode, bytes)))
}
