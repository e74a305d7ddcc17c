import { type Instant, NEVER } from '@str0m/sans-io'
import type { PeerHost, TurnPeers } from './turn-peers.ts'
import { RETRY_DELAY, type TurnAnswer } from './turn-requests.ts'

/** Permission Lifetime, RFC 8656 section 9. */
const PERMISSION_LIFETIME = 300_000
/** While in use, asked for again this long after the last time. */
const PERMISSION_REFRESH = 240_000
/** Errors from here on are the server's own, and may pass: RFC 8489 section 6.3.4. */
const SERVER_ERROR = 500
/** After such a one a permission that lasts is asked for again: four times in the minute that is left of it, as that section has it. */
const SERVER_ERROR_RETRY = 15_000

/**
 * The permissions of one allocation, RFC 8656 sections 9 and 10: asked for when data waits for one, and again every four minutes while something is sent. One
 * that is not used lapses; one that is refused is asked for again after five minutes at the earliest.
 */
export class TurnPermissions {
  /** How often the server has refused one. */
  refused = 0
  readonly #peers: TurnPeers

  constructor(peers: TurnPeers) {
    this.#peers = peers
  }

  get installed(): number {
    let count = 0
    for (const { permission } of this.#peers.hosts) if (permission === 'installed') count++
    return count
  }

  /** Lets lapse what has; answers those to be asked for. Hosts that nothing is known of any more are forgotten. */
  advance(now: Instant): PeerHost[] {
    const due: PeerHost[] = []
    for (const host of this.#peers.hosts) {
      if (now >= host.until) lapse(host)
      if (host.asking || host.permission === 'refused') continue
      const isInstalled = host.permission === 'installed'
      if (isInstalled ? host.used && now >= host.refreshAt : this.#peers.isAwaited(host)) {
        host.asking = true
        host.used = false
        due.push(host)
      } else if (!isInstalled && !hasChannel(host)) {
        this.#peers.remove(host)
      }
    }
    return due
  }

  nextAt(): Instant {
    let at = NEVER
    for (const host of this.#peers.hosts) {
      at = Math.min(at, host.until)
      if (host.permission === 'installed' && host.used && !host.asking) at = Math.min(at, host.refreshAt)
    }
    return at
  }

  /** By a CreatePermission or a ChannelBind that was sent at `sentAt`. */
  install(host: PeerHost, sentAt: Instant): void {
    host.permission = 'installed'
    host.refreshAt = sentAt + PERMISSION_REFRESH
    host.until = sentAt + PERMISSION_LIFETIME
  }

  /** The answer to a CreatePermission. */
  answer(now: Instant, host: PeerHost, sentAt: Instant, answer: TurnAnswer): void {
    host.asking = false
    const isError = answer.type === 'error'
    if (isError) this.refused++
    if (answer.type === 'success') {
      this.install(host, sentAt)
    } else if (isError && (host.permission !== 'installed' || answer.code < SERVER_ERROR)) {
      host.permission = 'refused'
      host.until = now + PERMISSION_LIFETIME
    } else if (host.permission === 'installed') {
      // what is not verified takes nothing away, nor does a server that cannot for the moment
      host.refreshAt = now + (isError ? SERVER_ERROR_RETRY : RETRY_DELAY)
      host.used = true
    } else {
      host.permission = 'refused'
      host.until = now + RETRY_DELAY
    }
  }
}

function lapse(host: PeerHost): void {
  host.permission = 'none'
  host.until = NEVER
}

function hasChannel(host: PeerHost): boolean {
  for (const { channel } of host.peers.values()) if (channel !== undefined) return true
  return false
}
