import { type Direction, intersectDirections, receives, sends } from '@str0m/sdp'

/**
 * Which way media is to go in a section as far as we are concerned, seen from here: the direction of RFC 8829 section 4.2.4, which stays what it is while the peer allows less
 * of it. What both have agreed on, its current direction, is the section's `Media`'s.
 */
export class OwnDirection {
  #direction: Direction = 'inactive'
  #chosen = false

  /** The caller has said it. */
  choose(direction: Direction): void {
    this.#direction = direction
    this.#chosen = true
  }

  /** A description has come to this. Where nothing was said it is all that ever was agreed on: a peer on hold is offered what it had before, and resumes as it likes. */
  agreed(direction: Direction): void {
    if (!this.#chosen) this.#direction = uniteDirections(this.#direction, direction)
  }

  /** As our offers have it (RFC 8829 section 4.2.3). */
  get offered(): Direction {
    return this.#direction
  }

  /** As an answer has it, of what the peer's offer allows (RFC 8829 section 5.3.1): all of it where nothing was said. */
  answered(allowed: Direction): Direction {
    return this.#chosen ? intersectDirections(this.#direction, allowed) : allowed
  }
}

function uniteDirections(a: Direction, b: Direction): Direction {
  const [out, back] = [sends(a) || sends(b), receives(a) || receives(b)]
  if (out) return back ? 'sendrecv' : 'sendonly'
  return back ? 'recvonly' : 'inactive'
}
