import type { CookieState } from './cookie.ts'
import { maxPayload, type Settings } from './options.ts'
import type { SendQueue } from './outgoing.ts'
import type { IncomingMessage } from './stream-order.ts'
import { DataReceiver } from './receiver.ts'
import { RoundTrip } from './round-trip.ts'
import { DataSender } from './sender.ts'
import type { Counters, SctpStatistics } from './statistics.ts'
import { type ResetEvents, StreamResets } from './stream-resets.ts'
import type { Extensions } from './wire/init.ts'

/** The window holds the longest message so many times, for what its fragments cost beside their bytes, and what comes meanwhile. */
const ROOM_FOR_LONGEST = 2

/** What both ends agreed on in the handshake. */
export type Agreement = Pick<
  CookieState,
  | 'localTag'
  | 'peerTag'
  | 'localInitialTsn'
  | 'peerInitialTsn'
  | 'peerWindow'
  | 'outboundStreams'
  | 'inboundStreams'
  | 'peerExtensions'
>

/** All that belongs to one established association, and goes with it: what the RFC calls the TCB. */
export class Transfer {
  readonly localTag: number
  /** Changes where both ends connected at once (RFC 9260 section 5.2.4, action B). */
  peerTag: number
  /** Random, so that a cookie does not tell the tags (RFC 9260 section 5.2.2). */
  readonly localTieTag: number
  readonly peerTieTag: number
  readonly peerExtensions: Extensions
  readonly outboundStreams: number
  readonly inboundStreams: number
  readonly roundTrip: RoundTrip
  readonly sender: DataSender
  readonly receiver: DataReceiver
  readonly resets: StreamResets

  constructor(
    settings: Settings,
    agreement: Agreement,
    ties: { readonly local: number; readonly peer: number },
    queue: SendQueue,
    counters: Counters,
    deliver: (message: IncomingMessage) => void,
    events: ResetEvents,
  ) {
    this.localTag = agreement.localTag
    this.peerTag = agreement.peerTag
    this.localTieTag = ties.local
    this.peerTieTag = ties.peer
    this.peerExtensions = agreement.peerExtensions
    this.outboundStreams = agreement.outboundStreams
    this.inboundStreams = agreement.inboundStreams
    this.roundTrip = new RoundTrip(settings.rtoInitial, settings.rtoMin, settings.rtoMax)
    const interleaving = settings.interleaving && agreement.peerExtensions.interleaving
    const payload = maxPayload(settings.maxPacketSize, interleaving)
    this.sender = new DataSender({
      initialTsn: agreement.localInitialTsn,
      peerWindow: agreement.peerWindow,
      maxPayload: payload,
      interleaving,
      forwardTsn: agreement.peerExtensions.forwardTsn,
      congestion: settings.congestion(payload),
      roundTrip: this.roundTrip,
      queue,
      counters,
    })
    this.receiver = new DataReceiver({
      initialTsn: agreement.peerInitialTsn,
      window: Math.max(settings.receiveWindow, ROOM_FOR_LONGEST * settings.maxMessageSize),
      roundTrip: this.roundTrip,
      interleaving,
      maxMessageSize: settings.maxMessageSize,
      inboundStreams: agreement.inboundStreams,
      sackDelay: settings.sackDelay,
      counters,
      deliver,
    })
    this.resets = new StreamResets({
      localInitialTsn: agreement.localInitialTsn,
      maxPacketSize: settings.maxPacketSize,
      inboundStreams: agreement.inboundStreams,
      peerInitialTsn: agreement.peerInitialTsn,
      sender: this.sender,
      receiver: this.receiver,
      queue,
      roundTrip: this.roundTrip,
      counters,
      events,
    })
  }
}

/** What `counters` and a transfer say; without one, how an association begins. */
export function makeStatistics(
  counters: Counters,
  settings: Settings,
  transfer: Transfer | undefined,
): SctpStatistics {
  return {
    ...counters,
    dropped: { ...counters.dropped },
    smoothedRoundTrip: transfer?.roundTrip.smoothed ?? 0,
    retransmissionTimeout: transfer?.roundTrip.rto ?? settings.rtoInitial,
    congestionWindow: transfer?.sender.congestionWindow ?? 0,
    inFlight: transfer?.sender.inFlight ?? 0,
    peerWindow: transfer?.sender.peerWindow ?? 0,
    heldBytes: transfer?.receiver.heldBytes ?? 0,
  }
}
