import type { CryptoProvider } from '@str0m/crypto'
import { ByteReader } from '@str0m/sans-io'

/** Which side nominates, RFC 8445 section 6.1.1, and the number that settles a conflict. */
export class IceRole {
  controlling: boolean
  tieBreaker: bigint
  readonly #crypto: CryptoProvider

  constructor(crypto: CryptoProvider, controlling: boolean) {
    this.#crypto = crypto
    this.controlling = controlling
    this.tieBreaker = new ByteReader(crypto.randomBytes(8)).u64()
  }

  /**
   * What a request's role means for this agent, RFC 8445 section 7.3.1.1: `none` (no conflict), `switch`
   * (this agent is to change), `reject` (the peer is: 487).
   */
  conflict(request: {
    readonly iceControlling?: bigint | undefined
    readonly iceControlled?: bigint | undefined
  }): 'none' | 'switch' | 'reject' {
    if (this.controlling && request.iceControlling !== undefined) {
      return this.tieBreaker >= request.iceControlling ? 'reject' : 'switch'
    }
    if (!this.controlling && request.iceControlled !== undefined) {
      return this.tieBreaker >= request.iceControlled ? 'switch' : 'reject'
    }
    return 'none'
  }

  /** A new tie-breaker, which a 487 demands: RFC 8445 section 7.2.5.1. */
  renewTieBreaker(): void {
    this.tieBreaker = new ByteReader(this.#crypto.randomBytes(8)).u64()
  }
}
