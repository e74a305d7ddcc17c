import type {
  EventOutput,
  Instant,
  Mid,
  Pt,
  ReceiveInput,
  Rid,
  Ssrc,
  TimeoutInput,
  TimeoutOutput,
  TransmitOutput,
} from '@str0m/sans-io'
import type { DependencyDescriptor, FrameLayers, HeaderExtensions } from '@str0m/rtp'
import type { Direction } from '@str0m/sdp'
import type { IcePath, IceState } from '@str0m/stun-ice'
import type { ChannelId } from './channel.ts'
import type { Codec } from './codec.ts'
import type { RtpPacket } from './rtp-packet.ts'
import type { MediaTime } from './writer.ts'

/** Why a peer is closed. */
export type CloseReason =
  /** `close()` was called. */
  | 'local'
  /** The other side said so (DTLS close_notify). */
  | 'remote'
  /** The DTLS handshake failed or timed out, the certificate is not the one that the description names, or there are no keys for the media that was agreed on. */
  | 'dtls-failed'

/** A whole encoded frame that came in. */
export interface MediaData {
  readonly type: 'mediaData'
  readonly mid: Mid
  readonly rid?: Rid
  readonly ssrc: Ssrc
  readonly pt: Pt
  readonly codec: Codec
  readonly time: MediaTime
  /** The frame as a decoder takes it; H.264 in the byte-stream format. Yours. */
  readonly data: Uint8Array
  readonly keyframe: boolean
  /** False where something before it was lost. */
  readonly contiguous: boolean
  /** When its first packet came. */
  readonly receivedAt: Instant
  /**
   * What the sender's wall clock showed when the frame was captured: milliseconds since 1970, by its last sender report (RFC 3550 section 6.4.1). All
   * streams of one sender have the same clock, so that sound and picture of the same time belong together; it need not be right, nor be yours. `undefined`
   * before the first report, which browsers send within some seconds, and where the sender has no clock.
   */
  readonly captureTime: number | undefined
  /** Of a video that has several, where the payload or the packets tell: the highest spatial layer in it, and its temporal layer. */
  readonly layers: FrameLayers | undefined
  /** What the frame is for, and what it refers to: where its first packet has a dependency descriptor (AV1 RTP payload specification, appendix A). */
  readonly dependency: DependencyDescriptor | undefined
  /** The header extensions of its packets: the level of audio, the rotation of a picture. */
  readonly extensions: HeaderExtensions
}

/** What is new of a key that was pressed on the other side's telephone, RFC 4733. */
export interface TelephoneEvent {
  readonly type: 'telephoneEvent'
  readonly mid: Mid
  readonly ssrc: Ssrc
  /** 0 to 255; 0 to 15 are keys. */
  readonly event: number
  /** `0` to `9`, `*`, `#`, `A` to `D`. */
  readonly digit?: string
  /** Whether it is the first that is heard of it. */
  readonly started: boolean
  /** Whether it is over. */
  readonly ended: boolean
  /** Milliseconds, so far. */
  readonly duration: number
}

/** A message that came in on a data channel. */
export interface ChannelData {
  readonly type: 'channelData'
  readonly id: ChannelId
  /** Text as a string, binary as bytes. Yours. */
  readonly data: string | Uint8Array
}

export type RtcEvent =
  | { readonly type: 'iceConnectionStateChange'; readonly state: IceState }
  /** Both sides are authenticated and keys are set: media flows. */
  | { readonly type: 'connected' }
  | {
      readonly type: 'mediaAdded'
      readonly mid: Mid
      readonly kind: 'audio' | 'video'
      readonly direction: Direction
    }
  /** A renegotiation had the section in it: direction, codecs and encodings may be others. One that was stopped is `inactive`: `media.stopped` tells it from one that may go on. */
  | { readonly type: 'mediaChanged'; readonly mid: Mid; readonly direction: Direction }
  | MediaData
  | TelephoneEvent
  /** In RTP mode, instead of `mediaData`. */
  | RtpPacket
  /** The peer cannot decode what we send before it gets a keyframe. `rid`: of one of several encodings. */
  | {
      readonly type: 'keyframeRequest'
      readonly mid: Mid
      readonly rid?: Rid
      readonly kind: 'pli' | 'fir'
    }
  /**
   * What the path to the peer is estimated to take of new media has changed: bits per second, of all of it with its headers. What was lately sent again is left out of it. With
   * `bandwidthEstimation`.
   */
  | { readonly type: 'egressBitrateEstimate'; readonly bitrate: number }
  /** A data channel can be used: the peer has opened it, or has taken up one of ours. See `rtc.channel(id)`. */
  | { readonly type: 'channelOpen'; readonly id: ChannelId; readonly label: string }
  | ChannelData
  /** A data channel is gone, or could not be opened. */
  | { readonly type: 'channelClose'; readonly id: ChannelId }
  /** What waits to be sent on a channel has fallen to its `bufferedAmountLowThreshold`; or there is room again, where `write` said no. */
  | { readonly type: 'bufferedAmountLow'; readonly id: ChannelId }
  /** A remote candidate is an mDNS name: resolve it, and give the answer to `resolveMdns`. */
  | { readonly type: 'resolveMdns'; readonly name: string }
  /** The end: nothing comes after it. `detail` is for a log. */
  | { readonly type: 'closed'; readonly reason: CloseReason; readonly detail?: string }

/**
 * A datagram to be sent from the local address `source`. `tcp` (RFC 6544): framed by `IceTcpFraming.frame`, over the connection between the two; from a candidate that is passive nothing
 * is sent where that is gone, from one that is active it is made where it is not there.
 */
export type Transmit = TransmitOutput & IcePath

/**
 * A datagram that came to the local address `destination`: that of the local candidate, not the wildcard (`0.0.0.0`, `::`) that its socket may be bound to. `source` may be what `node:dgram`
 * reports. `tcp`: one that `IceTcpFraming.read` has answered; `source` is then the other end of the connection.
 */
export type Receive = ReceiveInput & IcePath

export type RtcInput = TimeoutInput | Receive
export type RtcOutput = Transmit | EventOutput<RtcEvent> | TimeoutOutput
