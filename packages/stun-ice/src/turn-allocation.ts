import { type Instant, NEVER, sameSocketAddress, type SocketAddress } from '@str0m/sans-io'
import { Candidate } from './candidate.ts'
import type { CandidateProtocol } from './candidate-fields.ts'
import type { LongTermCredentials } from './long-term-credentials.ts'
import type { ReceivedStun } from './stun-types.ts'
import { RETRY_DELAY, type TurnAnswer, type TurnQuestion } from './turn-requests.ts'
import type { TurnAllocated, TurnEnded, TurnEndReason, TurnState } from './turn-types.ts'
import { allocationAttributes, lifetimeAttribute, Method, type TurnAttributes } from './turn-wire.ts'

/** Servers that are asked after the first one, each where the one before sends to it. RFC 8489 section 10. */
const MAX_REDIRECTIONS = 3
/**
 * An allocation is refreshed this long before it expires, or at half of its time where that is later. RFC 8656 section 8 has about a minute: this is enough for a
 * request that is never answered, and for another one.
 */
const REFRESH_MARGIN = 120_000
/** How often a request to delete the allocation is sent: the server deletes it by itself too. */
const RELEASE_TRANSMISSIONS = 3

export interface AllocationPurpose {
  readonly kind: 'allocate' | 'refresh' | 'release'
}

export interface AllocationSettings {
  readonly server: SocketAddress
  readonly base: SocketAddress
  readonly proto: CandidateProtocol
  readonly family: 4 | 6 | 'both'
  /** ms. */
  readonly lifetime: number
  readonly credentials: LongTermCredentials
}

export type AllocationQuestion = TurnQuestion<AllocationPurpose>
/** What comes of an answer. */
export type AllocationStep = AllocationQuestion | TurnAllocated | TurnEnded | undefined

/**
 * The allocation, RFC 8656 sections 7 and 8:
 *
 * 1. An Allocate request goes out without credentials, is answered by a 401, and goes out with them (`TurnRequests` does that).
 * 2. A 300 sends it to another server, over UDP.
 * 3. The success has the relayed address and the lifetime. A Refresh request goes out before that is over.
 * 4. A Refresh request of lifetime 0 deletes it.
 */
export class TurnAllocation {
  state: TurnState = 'new'
  server: SocketAddress
  relayed: readonly SocketAddress[] = []
  expiresAt: Instant = NEVER
  readonly #settings: AllocationSettings
  /** Servers that were asked. */
  readonly #asked: SocketAddress[]
  #refreshAt: Instant = NEVER
  /** Of the last refresh that failed. */
  #failedWith: number | undefined
  /** Of the event that tells that it is released. */
  #lastReason: TurnEndReason = 'released'

  constructor(settings: AllocationSettings) {
    this.#settings = settings
    this.server = settings.server
    this.#asked = [settings.server]
  }

  nextAt(): Instant {
    if (this.state === 'new') return Number.NEGATIVE_INFINITY
    return this.state === 'allocated' ? Math.min(this.#refreshAt, this.expiresAt) : NEVER
  }

  /** Does what is due. */
  advance(now: Instant): AllocationStep {
    if (this.state === 'new') {
      this.state = 'allocating'
      return this.#allocate()
    }
    if (this.state !== 'allocated') return undefined
    if (now >= this.expiresAt) return this.#end('expired', this.#failedWith)
    if (now < this.#refreshAt) return undefined
    this.#refreshAt = NEVER
    return this.#refresh('refresh', this.#settings.lifetime)
  }

  /** Gives the allocation back. Where the server may have made one that it has not told of yet, that too. */
  close(): AllocationStep {
    const { credentials } = this.#settings
    if (this.state === 'releasing' || this.state === 'ended') return undefined
    return credentials.authentication === undefined ? this.#end('released') : this.#release()
  }

  #release(): AllocationQuestion {
    this.state = 'releasing'
    return this.#refresh('release', 0)
  }

  #end(reason: TurnEndReason, code?: number, alternateServer?: SocketAddress): TurnEnded {
    this.state = 'ended'
    this.expiresAt = NEVER
    return { type: 'ended', reason, code, alternateServer }
  }

  answer(now: Instant, { kind }: AllocationPurpose, sentAt: Instant, answer: TurnAnswer): AllocationStep {
    if (kind === 'release') return this.#end(this.#lastReason)
    if (answer.type === 'success') {
      return kind === 'allocate'
        ? this.#allocated(sentAt, answer.message, answer.attributes)
        : this.#refreshed(sentAt, answer.attributes)
    }
    if (answer.type === 'error' && answer.code === 300 && kind === 'allocate')
      return this.#redirect(answer.message)
    if (answer.type === 'error')
      return this.refuse(answer.code) ?? this.#failed(now, kind, 'refused', answer.code)
    return this.#failed(now, kind, answer.type, answer.code)
  }

  /** An error that is about the allocation, whatever was asked: RFC 8656 section 5. */
  refuse(code: number): TurnEnded | undefined {
    if (code === 437) return this.#end('mismatch', code)
    return code === 441 ? this.#end('credentials', code) : undefined
  }

  /** A refresh that fails is tried again until the allocation expires. */
  #failed(
    now: Instant,
    kind: 'allocate' | 'refresh',
    reason: TurnEndReason,
    code?: number,
  ): TurnEnded | undefined {
    if (kind === 'allocate') return this.#end(reason, code)
    this.#refreshAt = now + RETRY_DELAY
    this.#failedWith = code
    return undefined
  }

  #allocate(): AllocationQuestion {
    const { family, lifetime } = this.#settings
    const attributes = allocationAttributes(family, Math.ceil(lifetime / 1000))
    return { purpose: { kind: 'allocate' }, method: Method.allocate, attributes: () => attributes }
  }

  /** Without REQUESTED-ADDRESS-FAMILY it is of all families: RFC 8656 section 8.1. */
  #refresh(kind: 'refresh' | 'release', lifetime: number): AllocationQuestion {
    const attributes = [lifetimeAttribute(Math.ceil(lifetime / 1000))]
    const question = { purpose: { kind }, method: Method.refresh, attributes: () => attributes }
    return kind === 'release' ? { ...question, maxTransmissions: RELEASE_TRANSMISSIONS } : question
  }

  #allocated(sentAt: Instant, message: ReceivedStun, attributes: TurnAttributes): AllocationStep {
    const { base, proto, family } = this.#settings
    const { xorMappedAddress: mapped } = message
    const relayed = attributes.relayedAddresses.filter((address, index, all) => {
      const own = familyOf(address)
      const isFirst = all.findIndex((other) => familyOf(other) === own) === index
      return address.port !== 0 && isFirst && (family === 'both' || family === own)
    })
    if (mapped === undefined || relayed.length === 0 || !(attributes.lifetime! > 0)) {
      // RFC 8656 section 7.3
      this.#lastReason = 'invalid-response'
      return this.#release()
    }
    this.state = 'allocated'
    this.relayed = relayed
    const lifetime = this.#keep(sentAt, attributes.lifetime!)
    const candidates = relayed.map((address) => Candidate.relayed(address, mapped))
    if (proto === 'udp' && mapped.port !== 0 && !sameSocketAddress(mapped, base)) {
      candidates.push(Candidate.serverReflexive(mapped, base))
    }
    return { type: 'allocated', candidates, relayedAddresses: relayed, mappedAddress: mapped, lifetime }
  }

  #refreshed(sentAt: Instant, { lifetime }: TurnAttributes): TurnEnded | undefined {
    // RFC 8656 section 8.3: what the server tells is what counts
    if (lifetime === 0) return this.#end('expired')
    this.#keep(sentAt, lifetime ?? this.#settings.lifetime / 1000)
    return undefined
  }

  /** Counted from when the request was sent: the server counts from later on. Answers the lifetime in ms. */
  #keep(sentAt: Instant, seconds: number): number {
    const lifetime = seconds * 1000
    this.#failedWith = undefined
    this.expiresAt = sentAt + lifetime
    this.#refreshAt = sentAt + Math.max(lifetime / 2, lifetime - REFRESH_MARGIN)
    return lifetime
  }

  /** RFC 8489 section 10. Over TCP another connection is the caller's to make. */
  #redirect({ alternateServer }: ReceivedStun): AllocationStep {
    const { base, proto, credentials } = this.#settings
    const isFollowed =
      proto === 'udp' &&
      alternateServer !== undefined &&
      alternateServer.port !== 0 &&
      familyOf(alternateServer) === familyOf(base) &&
      this.#asked.length <= MAX_REDIRECTIONS &&
      !this.#asked.some((asked) => sameSocketAddress(asked, alternateServer))
    if (!isFollowed) return this.#end('redirected', 300, alternateServer)
    this.#asked.push(alternateServer)
    this.server = alternateServer
    credentials.reset()
    return this.#allocate()
  }
}

function familyOf({ address }: SocketAddress): 4 | 6 {
  return address.includes(':') ? 6 : 4
}
