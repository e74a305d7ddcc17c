/** Why a packet or a chunk of the peer's was dropped. */
export type DropReason =
  | 'too-short'
  | 'bad-checksum'
  | 'wrong-port'
  | 'wrong-tag'
  | 'malformed'
  | 'unexpected'
  | 'bad-cookie'
  | 'stale-cookie'
  | 'bad-sack'
  | 'bad-tsn'
  | 'bad-stream'
  | 'window-full'
  | 'too-many-gaps'
  | 'duplicate'
  | 'reset-pending'
  | 'unknown-chunk'
  | 'control-queue-full'

/** Counts since the association was made. */
export interface Counters {
  packetsSent: number
  packetsReceived: number
  chunksSent: number
  chunksReceived: number
  chunksRetransmitted: number
  messagesSent: number
  messagesReceived: number
  messagesAbandoned: number
  /** Times that T3-rtx ran out. */
  timeouts: number
  /** Tail-loss probes. */
  probes: number
  readonly dropped: Partial<Record<DropReason, number>>
}

export function makeCounters(): Counters {
  return {
    packetsSent: 0,
    packetsReceived: 0,
    chunksSent: 0,
    chunksReceived: 0,
    chunksRetransmitted: 0,
    messagesSent: 0,
    messagesReceived: 0,
    messagesAbandoned: 0,
    timeouts: 0,
    probes: 0,
    dropped: {},
  }
}

export function countDrop(counters: Counters, reason: DropReason): void {
  counters.dropped[reason] = (counters.dropped[reason] ?? 0) + 1
}

/** What an association has done, and how it stands. */
export interface SctpStatistics extends Readonly<Counters> {
  /** ms; 0 before the first sample. */
  readonly smoothedRoundTrip: number
  /** ms. */
  readonly retransmissionTimeout: number
  /** Bytes of user data. */
  readonly congestionWindow: number
  /** Bytes of user data, sent and not acknowledged. */
  readonly inFlight: number
  /** Bytes that the peer has room for beside them. */
  readonly peerWindow: number
  /** Bytes held for reassembly and order. */
  readonly heldBytes: number
}
