import type { Instant } from '@str0m/sans-io'
import { type IcePath, isSamePath } from './ice-path.ts'

/** Paths that are remembered. Of more, the one that is asked about the longest ago gives way. */
const MAX_CONSENTED_PATHS = 8

interface ConsentedPath extends IcePath {
  expiresAt: Instant
}

/**
 * The paths on which the peer may send: a success response to its check is our consent to that (RFC 7675 section 5.1), whether or not a check of ours has
 * proven the path too. Of a path that the peer has just found it sends before the answer to our check is in; and after a restart that changes none of our addresses,
 * libwebrtc's may go on by the port of before for good, whose checks it signs with our new password and names with its old user name.
 */
export class GivenConsent {
  readonly #paths: ConsentedPath[] = []

  give(path: IcePath, expiresAt: Instant): void {
    const known = this.#find(path)
    if (known !== undefined) {
      known.expiresAt = expiresAt
      return
    }
    if (this.#paths.length >= MAX_CONSENTED_PATHS) {
      this.#paths.sort((a, b) => b.expiresAt - a.expiresAt)
      this.#paths.pop()
    }
    // not `path` itself, which may be a whole datagram
    const { proto, source, destination } = path
    this.#paths.push({ proto, source, destination, expiresAt })
  }

  lasts(path: IcePath, now: Instant): boolean {
    const known = this.#find(path)
    return known !== undefined && known.expiresAt > now
  }

  #find(path: IcePath): ConsentedPath | undefined {
    for (const known of this.#paths) if (isSamePath(known, path)) return known
    return undefined
  }
}
