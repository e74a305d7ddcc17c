import type { Ssrc } from '@str0m/sans-io'

/** One reception report block, RFC 3550 section 6.4.1. */
export interface ReportBlock {
  readonly ssrc: Ssrc
  /** Packets lost since the last report, in 256ths. */
  readonly fractionLost: number
  /** Signed, 24 bits: duplicates make it negative. */
  readonly cumulativeLost: number
  /** Extended: cycles in the upper 16 bits. */
  readonly highestSequence: number
  /** In timestamp units. */
  readonly jitter: number
  /** The middle 32 bits of the NTP time of the last sender report; 0: none came. */
  readonly lastSenderReport: number
  /** In units of 1/65536 s. */
  readonly delaySinceLastSenderReport: number
}

/** RFC 3550 section 6.4.1. */
export interface SenderReport {
  readonly type: 'senderReport'
  readonly ssrc: Ssrc
  /** NTP time: seconds since 1900 in the upper 32 bits, their fraction in the lower. */
  readonly ntpTime: bigint
  readonly rtpTime: number
  readonly packetCount: number
  readonly octetCount: number
  readonly reports: readonly ReportBlock[]
}

/** RFC 3550 section 6.4.2. */
export interface ReceiverReport {
  readonly type: 'receiverReport'
  readonly ssrc: Ssrc
  readonly reports: readonly ReportBlock[]
}

/** RFC 3550 section 6.5. */
export interface SourceDescription {
  readonly type: 'sourceDescription'
  readonly chunks: readonly {
    readonly ssrc: Ssrc
    readonly items: readonly { readonly type: number; readonly text: string }[]
  }[]
}

/** RFC 3550 section 6.6. */
export interface Goodbye {
  readonly type: 'goodbye'
  readonly ssrcs: readonly Ssrc[]
  readonly reason?: string
}

/** RFC 4585 section 6.2.1: sequence numbers that were not received. */
export interface Nack {
  readonly type: 'nack'
  readonly senderSsrc: Ssrc
  readonly mediaSsrc: Ssrc
  readonly sequenceNumbers: readonly number[]
}

/** RFC 4585 section 6.3.1. */
export interface PictureLossIndication {
  readonly type: 'pli'
  readonly senderSsrc: Ssrc
  readonly mediaSsrc: Ssrc
}

/** RFC 5104 section 4.3.1. */
export interface FullIntraRequest {
  readonly type: 'fir'
  readonly senderSsrc: Ssrc
  readonly entries: readonly { readonly ssrc: Ssrc; readonly sequenceNumber: number }[]
}

/** Receiver estimated maximum bitrate, draft-alvestrand-rmcat-remb-03. */
export interface ReceiverEstimatedMaximumBitrate {
  readonly type: 'remb'
  readonly senderSsrc: Ssrc
  /** Bits per second. */
  readonly bitrate: number
  readonly ssrcs: readonly Ssrc[]
}

/** Transport-wide feedback, draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1. */
export interface TransportFeedback {
  readonly type: 'transportFeedback'
  readonly senderSsrc: Ssrc
  readonly mediaSsrc: Ssrc
  readonly baseSequence: number
  /** Signed, 24 bits, in units of 64 ms. */
  readonly referenceTime: number
  /** 8 bits. */
  readonly feedbackCount: number
  /**
   * One entry for each sequence number from the base on: `undefined` where the packet did not come, else the time since the one before
   * (the first: since the reference time) in units of 250 µs.
   */
  readonly deltas: readonly (number | undefined)[]
}

/** What a report tells of one stream, RFC 8888 section 3.1. */
export interface StreamArrivals {
  readonly ssrc: Ssrc
  /** The sequence number that `arrivalOffsets[0]` is of. 16 bits. */
  readonly beginSequence: number
  /**
   * One entry for each sequence number from the first on: `undefined` where the packet did not come, else how long before the report it did, in units of 1/1024 s;
   * `ARRIVAL_OVER_RANGE`: longer than can be said; `ARRIVAL_UNAVAILABLE`: it is not known.
   */
  readonly arrivalOffsets: readonly (number | undefined)[]
  /** The ECN mark with which each came (RFC 3168 section 5), 0 to 3; absent: none had one. */
  readonly ecn?: readonly number[]
}

/** When the packets of each stream came, RFC 8888. */
export interface CongestionControlFeedback {
  readonly type: 'congestionControlFeedback'
  readonly senderSsrc: Ssrc
  /** The middle 32 bits of the NTP time that arrivals are counted back from, on the clock of sender reports. */
  readonly reportTimestamp: number
  readonly streams: readonly StreamArrivals[]
}

/** RFC 3611. */
export interface ExtendedReport {
  readonly type: 'extendedReport'
  readonly ssrc: Ssrc
  readonly blocks: readonly ExtendedReportBlock[]
}

export type ExtendedReportBlock =
  /** Receiver reference time, section 4.4. */
  | { readonly type: 'receiverReferenceTime'; readonly ntpTime: bigint }
  /** Delay since the last receiver report, section 4.5. Units as in a `ReportBlock`. */
  | {
      readonly type: 'delaySinceLastReceiverReport'
      readonly reports: readonly {
        readonly ssrc: Ssrc
        readonly lastReceiverReport: number
        readonly delaySinceLastReceiverReport: number
      }[]
    }
  | {
      readonly type: 'other'
      readonly blockType: number
      readonly specific: number
      readonly contents: Uint8Array
    }

/** A packet type or a feedback format that is not understood. */
export interface UnknownRtcp {
  readonly type: 'unknown'
  readonly packetType: number
  /** The five bits that other types use as a count or a format. */
  readonly count: number
  readonly contents: Uint8Array
}

/** One packet of a compound. */
export type Rtcp =
  | SenderReport
  | ReceiverReport
  | SourceDescription
  | Goodbye
  | Nack
  | PictureLossIndication
  | FullIntraRequest
  | ReceiverEstimatedMaximumBitrate
  | TransportFeedback
  | CongestionControlFeedback
  | ExtendedReport
  | UnknownRtcp

/** Packet types, RFC 3550 section 12.1, RFC 4585 section 6.1, RFC 3611 section 2. */
export const PACKET_TYPE = {
  senderReport: 200,
  receiverReport: 201,
  sourceDescription: 202,
  goodbye: 203,
  transportLayerFeedback: 205,
  payloadSpecificFeedback: 206,
  extendedReport: 207,
} as const

/** Formats of transport-layer feedback; RFC 8888 section 9. */
export const TRANSPORT_FORMAT = { nack: 1, congestionControl: 11, transportWide: 15 } as const
/** Formats of payload-specific feedback. */
export const PAYLOAD_FORMAT = { pli: 1, fir: 4, applicationLayer: 15 } as const
/** SDES item types, RFC 3550 section 6.5. */
export const SDES_CNAME = 1
/** Which section of the description a source belongs to, RFC 9143 section 15.1. */
export const SDES_MID = 15
