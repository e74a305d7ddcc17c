import type { BandwidthEstimatorStatistics } from '@str0m/bwe'
import type { StreamRxStatistics, StreamTxStatistics } from '@str0m/rtp'
import type { CipherSuiteName, ConnectedEvent, DtlsStatistics, DtlsVersion } from '@str0m/dtls'
import type { Mid, Rid, Ssrc } from '@str0m/sans-io'
import type { SctpStatistics } from '@str0m/sctp'
import type { SrtpProfile, SrtpStatistics } from '@str0m/srtp'
import type { IcePairStatistics, IceState, IceStatistics } from '@str0m/stun-ice'
import type { ChannelId, ChannelState } from './channel.ts'
import type { DropReason } from './drops.ts'
import type { DtlsTransportState } from './transport.ts'

/** One stream that comes in. */
export interface InboundStreamStatistics extends StreamRxStatistics {
  readonly mid: Mid
  readonly rid?: Rid
}

/** One stream that goes out. */
export interface OutboundStreamStatistics extends StreamTxStatistics {
  /** Of its retransmissions (RFC 4588), where they have one of their own. */
  readonly rtxSsrc?: Ssrc
  readonly mid: Mid
  readonly rid?: Rid
}

/** Of what is sent, where the bandwidth is estimated. Counters are since the start, all else of the path that is used now. */
export interface BandwidthStatistics extends BandwidthEstimatorStatistics {
  /** The estimate, bits per second. */
  readonly availableOutgoingBitrate: number
  /** Packets and bytes that wait for their turn. */
  readonly packetsQueued: number
  readonly bytesQueued: number
}

/** One data channel, as long as it is there. */
export interface ChannelStatistics {
  readonly id: ChannelId
  readonly label: string
  readonly protocol: string
  /** The SCTP stream, once it is known. */
  readonly dataChannelIdentifier?: number
  readonly state: ChannelState
  readonly messagesSent: number
  /** Bytes of messages, without any headers. */
  readonly bytesSent: number
  readonly messagesReceived: number
  readonly bytesReceived: number
}

/** Counters since the start, in the W3C's names where it has them. */
export interface RtcStatistics {
  readonly iceState: IceState
  readonly iceRole: 'controlling' | 'controlled'
  readonly dtlsState: DtlsTransportState
  /** `unknown` before the handshake begins. */
  readonly dtlsRole: 'client' | 'server' | 'unknown'
  /** Once the handshake is done: the two bytes of the version, in hexadecimal, `FEFD` for DTLS 1.2; and the suite by its name at IANA. */
  readonly tlsVersion?: string
  readonly dtlsCipher?: CipherSuiteName
  /** Once there are keys for media. */
  readonly srtpProfile?: SrtpProfile
  /** The same by its name at IANA, which is that of RFC 5764 section 4.1.2 and RFC 7714 section 14.2. */
  readonly srtpCipher?: string
  /** The path that is used. */
  readonly selectedCandidatePair?: IcePairStatistics
  /** How often another path was taken, or there was none any more: 1 with the first. */
  readonly selectedCandidatePairChanges: number
  /** Datagrams and bytes through the selected path, STUN without. */
  readonly packetsSent: number
  readonly packetsReceived: number
  readonly bytesSent: number
  readonly bytesReceived: number
  readonly dropped: Readonly<Record<DropReason, number>>
  readonly ice: IceStatistics
  readonly dtls?: DtlsStatistics
  readonly srtpReceived?: SrtpStatistics
  /** Seconds, as the reports of a peer that we send nothing to tell it (RFC 3611 section 4.5). */
  readonly roundTripTime?: number
  readonly inbound: readonly InboundStreamStatistics[]
  readonly outbound: readonly OutboundStreamStatistics[]
  readonly bandwidth?: BandwidthStatistics
  readonly sctp?: SctpStatistics
  readonly channels: readonly ChannelStatistics[]
}

const TLS_VERSION: Readonly<Record<DtlsVersion, string>> = { 'DTLS 1.2': 'FEFD', 'DTLS 1.3': 'FEFC' }

const SRTP_CIPHER: Readonly<Record<SrtpProfile, string>> = {
  AES_CM_128_HMAC_SHA1_80: 'SRTP_AES128_CM_HMAC_SHA1_80',
  AES_CM_128_HMAC_SHA1_32: 'SRTP_AES128_CM_HMAC_SHA1_32',
  AEAD_AES_128_GCM: 'SRTP_AEAD_AES_128_GCM',
  AEAD_AES_256_GCM: 'SRTP_AEAD_AES_256_GCM',
}

/** What was agreed on, as far as it was: names for the statistics. */
export function agreedOn(
  dtls: Pick<ConnectedEvent, 'version' | 'cipherSuite'> | undefined,
  profile: SrtpProfile | undefined,
): Pick<RtcStatistics, 'tlsVersion' | 'dtlsCipher' | 'srtpProfile' | 'srtpCipher'> {
  return {
    ...(dtls && { tlsVersion: TLS_VERSION[dtls.version], dtlsCipher: dtls.cipherSuite }),
    ...(profile && { srtpProfile: profile, srtpCipher: SRTP_CIPHER[profile] }),
  }
}
