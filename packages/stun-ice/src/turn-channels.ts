import { assert, type Instant, NEVER } from '@str0m/sans-io'
import { FIRST_CHANNEL, LAST_CHANNEL } from './channel-data.ts'
import type { Channel, TurnPeer } from './turn-peers.ts'
import { RETRY_DELAY, type TurnAnswer } from './turn-requests.ts'

/** RFC 8656 section 12. */
const CHANNEL_LIFETIME = 600_000
/** While in use, bound again this long after the last time. */
const CHANNEL_REFRESH = 480_000
/** How long a number and a peer are not bound otherwise after a binding has expired, RFC 8656 section 12. */
const CHANNEL_QUARANTINE = 300_000

/**
 * The channels of one allocation, RFC 8656 section 12: each is bound to one peer, refreshed while something is sent on it, and free again five minutes
 * after it has expired.
 */
export class TurnChannels {
  /** By the channel number less the first one. As long as the most channels that there were at a time. */
  readonly #channels: (Channel | undefined)[] = []

  get bound(): number {
    let count = 0
    for (const channel of this.#channels) if (channel?.state === 'bound') count++
    return count
  }

  /** The peer that the number was asked to be bound to. */
  peerOf(number: number): TurnPeer | undefined {
    return this.#channels[number - FIRST_CHANNEL]?.peer
  }

  /** Chooses a number for a peer that has none. */
  add(peer: TurnPeer): void {
    const free = this.#channels.indexOf(undefined)
    const index = free < 0 ? this.#channels.length : free
    const number = FIRST_CHANNEL + index
    assert(number <= LAST_CHANNEL, 'there are fewer peers than channel numbers')
    peer.channel = {
      number,
      peer,
      state: 'unbound',
      asking: false,
      used: true,
      refreshAt: Number.NEGATIVE_INFINITY,
      expiresAt: NEVER,
      freeAt: Number.NEGATIVE_INFINITY,
    }
    this.#channels[index] = peer.channel
  }

  clear(): void {
    this.#channels.length = 0
  }

  /** Lets expire what has; answers those to be bound. Those that are free again are forgotten. */
  advance(now: Instant): Channel[] {
    const due: Channel[] = []
    for (const channel of this.#channels) {
      if (channel === undefined) continue
      if (channel.state === 'bound' && now >= channel.expiresAt) channel.state = 'unbound'
      if (channel.asking) continue
      if (isWanted(channel) && now >= channel.refreshAt) {
        channel.asking = true
        channel.used = false
        due.push(channel)
      } else if (channel.state !== 'bound' && now >= channel.freeAt) {
        this.#channels[channel.number - FIRST_CHANNEL] = undefined
        channel.peer.channel = undefined
        channel.peer.sent = 0
      }
    }
    return due
  }

  nextAt(): Instant {
    let at = NEVER
    for (const channel of this.#channels) {
      if (channel === undefined) continue
      if (channel.state === 'bound') at = Math.min(at, channel.expiresAt)
      else if (!channel.asking) at = Math.min(at, channel.freeAt)
      if (!channel.asking && isWanted(channel)) at = Math.min(at, channel.refreshAt)
    }
    return at
  }

  /** The answer to a ChannelBind that was sent at `sentAt`. */
  answer(now: Instant, channel: Channel, sentAt: Instant, answer: TurnAnswer): void {
    channel.asking = false
    // the server may have bound it as late as now
    channel.freeAt = now + CHANNEL_LIFETIME + CHANNEL_QUARANTINE
    if (answer.type === 'success') {
      channel.state = 'bound'
      channel.refreshAt = sentAt + CHANNEL_REFRESH
      channel.expiresAt = sentAt + CHANNEL_LIFETIME
    } else if (answer.type === 'error') {
      channel.state = 'refused'
    } else {
      channel.refreshAt = now + RETRY_DELAY
      if (channel.state === 'bound') channel.used = true
    }
  }
}

function isWanted({ state, used, peer }: Channel): boolean {
  return used && state !== 'refused' && peer.host.permission === 'installed'
}
