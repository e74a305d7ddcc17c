// What Node's own ciphers cost, used as its manual has it: an object for each packet. No byte is moved that a program would have to move to make a
// packet of it, so this is the least that such a program takes.
import { createCipheriv, createDecipheriv, createHmac, createSecretKey, randomBytes } from 'node:crypto'
import type { SrtpProfile } from '@str0m/srtp'
import { HEADER_LENGTH, PACKET_LENGTH } from './packets.ts'
import type { Contender } from './rounds.ts'

export interface Pair {
  readonly protect: Contender
  readonly unprotect: Contender
}

const NAME = 'node:crypto'
const ROLLOVER_LENGTH = 4

export function nodeCrypto(profile: SrtpProfile, packets: number): Pair {
  switch (profile) {
    case 'AEAD_AES_128_GCM':
      return gcm('aes-128-gcm', 16, packets)
    case 'AEAD_AES_256_GCM':
      return gcm('aes-256-gcm', 32, packets)
    case 'AES_CM_128_HMAC_SHA1_80':
    case 'AES_CM_128_HMAC_SHA1_32':
      return counterModeWithHmac(packets)
  }
}

function gcm(algorithm: 'aes-128-gcm' | 'aes-256-gcm', keyLength: number, packets: number): Pair {
  const key = createSecretKey(randomBytes(keyLength))
  const iv = randomBytes(12)
  const options = { authTagLength: 16 }
  const header = randomBytes(HEADER_LENGTH)
  const payload = randomBytes(PACKET_LENGTH - HEADER_LENGTH)
  const seal = (): { ciphertext: Buffer; tag: Buffer } => {
    const cipher = createCipheriv(algorithm, key, iv, options)
    cipher.setAAD(header)
    const ciphertext = cipher.update(payload)
    cipher.final()
    return { ciphertext, tag: cipher.getAuthTag() }
  }
  const protect = (): void => {
    for (let i = 0; i < packets; i++) {
      iv.writeUInt32BE(i, 8)
      seal()
    }
  }
  iv.writeUInt32BE(0, 8)
  const { ciphertext, tag } = seal()
  const unprotect = (): void => {
    iv.writeUInt32BE(0, 8)
    for (let i = 0; i < packets; i++) {
      const decipher = createDecipheriv(algorithm, key, iv, options)
      decipher.setAAD(header)
      decipher.setAuthTag(tag)
      decipher.update(ciphertext)
      decipher.final()
    }
  }
  return {
    protect: { name: NAME, run: protect, operations: packets },
    unprotect: { name: NAME, run: unprotect, operations: packets },
  }
}

function counterModeWithHmac(packets: number): Pair {
  const key = createSecretKey(randomBytes(16))
  const authKey = createSecretKey(randomBytes(20))
  const iv = randomBytes(16)
  const payload = randomBytes(PACKET_LENGTH - HEADER_LENGTH)
  const authenticated = randomBytes(PACKET_LENGTH + ROLLOVER_LENGTH)
  const run = (): void => {
    for (let i = 0; i < packets; i++) {
      iv.writeUInt32BE(i, 8)
      const cipher = createCipheriv('aes-128-ctr', key, iv)
      cipher.update(payload)
      cipher.final()
      createHmac('sha1', authKey).update(authenticated).digest()
    }
  }
  const back = (): void => {
    for (let i = 0; i < packets; i++) {
      iv.writeUInt32BE(i, 8)
      createHmac('sha1', authKey).update(authenticated).digest()
      const decipher = createDecipheriv('aes-128-ctr', key, iv)
      decipher.update(payload)
      decipher.final()
    }
  }
  return {
    protect: { name: NAME, run, operations: packets },
    unprotect: { name: NAME, run: back, operations: packets },
  }
}
