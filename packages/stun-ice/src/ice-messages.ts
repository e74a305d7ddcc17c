import type { CryptoProvider, Hmac } from '@str0m/crypto'
import { encodeUtf8 } from '@str0m/sans-io'
import type { IceRole } from './ice-role.ts'
import type { IceCredentials } from './ice-types.ts'
import { verifyStunIntegrity } from './stun-parse.ts'
import { BINDING, type ReceivedStun, type StunMessage } from './stun-types.ts'
import { writeStun } from './stun-write.ts'

/** What a check says beside the names of both ends. */
export interface CheckFields {
  readonly transactionId: Uint8Array
  /** The value of PRIORITY. */
  readonly priority: number
  readonly useCandidate: boolean
}

/** What the two ends of a session say to each other: written and verified with the credentials of both, RFC 8445 section 7.2.2 and RFC 8489 section 9.1. */
export class IceMessages {
  readonly local: IceCredentials
  readonly #crypto: CryptoProvider
  readonly #localHmac: Hmac
  /** Made for the first peer that asks with MESSAGE-INTEGRITY-SHA256. */
  #localHmacSha256: Hmac | undefined
  #remote: IceCredentials | undefined
  #remoteHmac: Hmac | undefined

  constructor(crypto: CryptoProvider, local: IceCredentials) {
    this.#crypto = crypto
    this.local = local
    this.#localHmac = crypto.hmac('sha1', encodeUtf8(local.pwd))
  }

  get remote(): IceCredentials | undefined {
    return this.#remote
  }

  setRemote(remote: IceCredentials): void {
    this.#remote = remote
    this.#remoteHmac = this.#crypto.hmac('sha1', encodeUtf8(remote.pwd))
  }

  /** Whether a request is of one who knows our password. */
  isRequestGenuine(request: ReceivedStun): boolean {
    return verifyStunIntegrity(request, this.#hmacOf(request))
  }

  /** Whether a response is of one who knows the peer's password. */
  isResponseGenuine(response: ReceivedStun): boolean {
    return this.#remoteHmac !== undefined && verifyStunIntegrity(response, this.#remoteHmac)
  }

  /** The response to a genuine request. */
  writeResponse(request: ReceivedStun, fields: Partial<StunMessage>): Uint8Array {
    const { transactionId } = request
    return writeStun(
      { class: 'success', method: BINDING, transactionId, ...fields },
      { integrity: this.#hmacOf(request) },
    )
  }

  /** A check, to a peer whose credentials are known. */
  writeCheck({ transactionId, priority, useCandidate }: CheckFields, role: IceRole): Uint8Array {
    const { controlling, tieBreaker } = role
    const message: StunMessage = {
      class: 'request',
      method: BINDING,
      transactionId,
      username: `${this.#remote!.ufrag}:${this.local.ufrag}`,
      priority,
      useCandidate,
      iceControlling: controlling ? tieBreaker : undefined,
      iceControlled: controlling ? undefined : tieBreaker,
    }
    return writeStun(message, { integrity: this.#remoteHmac! })
  }

  /** What a request is verified with, and its response made: RFC 8489 section 9.1.3. */
  #hmacOf({ integritySha256At }: ReceivedStun): Hmac {
    if (integritySha256At < 0) return this.#localHmac
    this.#localHmacSha256 ??= this.#crypto.hmac('sha256', encodeUtf8(this.local.pwd))
    return this.#localHmacSha256
  }
}
