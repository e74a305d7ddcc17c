import { type Instant, sameSocketAddress, type SocketAddress } from '@str0m/sans-io'
import type { CandidateProtocol } from './candidate-fields.ts'

/** Paths that are remembered. Of more, the one that is asked about the longest ago gives way. */
const MAX_CONSENTED_PATHS = 8

interface ConsentedPath {
  readonly protocol: CandidateProtocol
  /** The local address. */
  readonly base: SocketAddress
  readonly peer: SocketAddress
  expiresAt: Instant
}

/**
 * The paths on which the peer may send: a success response to its check is our consent to that (RFC 7675 section 5.1), whether or not a check of ours has
 * proven the path too. Of a path that the peer has just found it sends before the answer to our check is in; and after a restart that changes none of our addresses,
 * libwebrtc's may go on by the port of before for good, whose checks it signs with our new password and names with its old user name.
 */
export class GivenConsent {
  readonly #paths: ConsentedPath[] = []

  give(protocol: CandidateProtocol, base: SocketAddress, peer: SocketAddress, expiresAt: Instant): void {
    const known = this.#find(protocol, base, peer)
    if (known !== undefined) {
      known.expiresAt = expiresAt
      return
    }
    if (this.#paths.length >= MAX_CONSENTED_PATHS) {
      this.#paths.sort((a, b) => b.expiresAt - a.expiresAt)
      this.#paths.pop()
    }
    this.#paths.push({ protocol, base, peer, expiresAt })
  }

  lasts(protocol: CandidateProtocol, base: SocketAddress, peer: SocketAddress, now: Instant): boolean {
    const path = this.#find(protocol, base, peer)
    return path !== undefined && path.expiresAt > now
  }

  #find(protocol: CandidateProtocol, base: SocketAddress, peer: SocketAddress): ConsentedPath | undefined {
    for (const path of this.#paths) {
      if (
        sameSocketAddress(path.peer, peer) &&
        sameSocketAddress(path.base, base) &&
        path.protocol === protocol
      ) {
        return path
      }
    }
    return undefined
  }
}
