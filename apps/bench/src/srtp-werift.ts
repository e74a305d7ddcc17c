import { randomBytes } from 'node:crypto'
import type { SrtpProfile } from '@str0m/srtp'
import { RtpHeader, SrtpSession } from 'werift'
import { HEADER_LENGTH, PACKET_LENGTH } from './packets.ts'
import type { Pair } from './srtp-node.ts'

const SSRC = 0x5712_0002
/** The numbers of RFC 5764 section 4.1.2 and RFC 7714 section 14.2, of those that it has. */
const PROFILES: Partial<Record<SrtpProfile, { id: 1 | 7; saltLength: number }>> = {
  AES_CM_128_HMAC_SHA1_80: { id: 1, saltLength: 14 },
  AEAD_AES_128_GCM: { id: 7, saltLength: 12 },
}

/** werift's session; `undefined` where it does not have the profile. */
export function weriftSrtp(profile: SrtpProfile, packets: number): Pair | undefined {
  const parameters = PROFILES[profile]
  if (parameters === undefined) return undefined
  const key = randomBytes(16)
  const salt = randomBytes(parameters.saltLength)
  const keys = {
    localMasterKey: key,
    localMasterSalt: salt,
    remoteMasterKey: key,
    remoteMasterSalt: salt,
  }
  const makeSession = (): SrtpSession => new SrtpSession({ keys, profile: parameters.id })
  const payload = randomBytes(PACKET_LENGTH - HEADER_LENGTH)
  const header = (sequenceNumber: number): RtpHeader =>
    new RtpHeader({ payloadType: 96, ssrc: SSRC, sequenceNumber: sequenceNumber & 0xffff })
  const name = 'werift'

  const protector = makeSession()
  let headers: RtpHeader[] = []
  let protectedCount = 0
  const protect = {
    name,
    operations: packets,
    prepare: () => {
      headers = Array.from({ length: packets }, () => header(protectedCount++))
    },
    run: () => {
      for (const each of headers) protector.encrypt(payload, each)
    },
  }

  const sender = makeSession()
  const receiver = makeSession()
  let sealed: Buffer[] = []
  let sealedCount = 0
  const unprotect = {
    name,
    operations: packets,
    prepare: () => {
      sealed = Array.from({ length: packets }, () => sender.encrypt(payload, header(sealedCount++)))
    },
    run: () => {
      for (const each of sealed) receiver.decrypt(each)
    },
  }
  return { protect, unprotect }
}
