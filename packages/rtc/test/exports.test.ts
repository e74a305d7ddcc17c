import { UsageError as OwnUsageError } from '@str0m/sans-io'
import { DEFAULT_CODECS as OWN_CODECS } from '@str0m/sdp'
import { expect, it } from 'vitest'
import {
  type BandwidthStatistics,
  type CipherSuiteName,
  type CodecCapability,
  DEFAULT_CODECS,
  type DirectData,
  type DtlsStatistics,
  type DtlsTransportState,
  type EventOutput,
  type FrameLayers,
  type HeaderExtensions,
  type IceCredentials,
  type IcePairStatistics,
  type IceStatistics,
  type Instant,
  type MediaData,
  type Mid,
  type Pt,
  type Rid,
  Rtc,
  type RtcEvent,
  type RtcInput,
  type RtcOptions,
  type RtcOutput,
  type RtcStatistics,
  type SctpStatistics,
  type SocketAddress,
  type SrtpStatistics,
  type Ssrc,
  type TimeoutInput,
  type TimeoutOutput,
  type Transmit,
  UsageError,
  type WallClock,
} from '../src/index.ts'

/** Whether two types are one. */
type Same<A, B> = [A, B] extends [B, A] ? true : never

it('who installs this package alone can name what it takes and gives', () => {
  const same: true[] = [
    true satisfies Same<MediaData['mid'], Mid>,
    true satisfies Same<MediaData['pt'], Pt>,
    true satisfies Same<MediaData['ssrc'], Ssrc>,
    true satisfies Same<NonNullable<MediaData['rid']>, Rid>,
    true satisfies Same<MediaData['receivedAt'], Instant>,
    true satisfies Same<NonNullable<MediaData['layers']>, FrameLayers>,
    true satisfies Same<MediaData['extensions'], HeaderExtensions>,
    true satisfies Same<Transmit['source'], SocketAddress>,
    true satisfies Same<NonNullable<RtcOptions['wallClock']>, WallClock>,
    true satisfies Same<NonNullable<RtcStatistics['bandwidth']>, BandwidthStatistics>,
    true satisfies Same<RtcStatistics['dtlsState'], DtlsTransportState>,
    true satisfies Same<RtcStatistics['ice'], IceStatistics>,
    true satisfies Same<NonNullable<RtcStatistics['selectedCandidatePair']>, IcePairStatistics>,
    true satisfies Same<NonNullable<RtcStatistics['dtls']>, DtlsStatistics>,
    true satisfies Same<NonNullable<RtcStatistics['dtlsCipher']>, CipherSuiteName>,
    true satisfies Same<NonNullable<RtcStatistics['srtpReceived']>, SrtpStatistics>,
    true satisfies Same<NonNullable<RtcStatistics['sctp']>, SctpStatistics>,
    true satisfies Same<Extract<RtcInput, { kind: 'timeout' }>, TimeoutInput>,
    true satisfies Same<RtcOutput, Transmit | EventOutput<RtcEvent> | TimeoutOutput>,
    true satisfies Same<ReturnType<Rtc['direct']>['localIceCredentials'], IceCredentials>,
    true satisfies Same<
      NonNullable<Parameters<ReturnType<Rtc['direct']>['openDataChannels']>[0]>,
      DirectData
    >,
  ]
  expect(same).not.toContain(false)
  const audio: readonly CodecCapability[] = DEFAULT_CODECS.filter(({ kind }) => kind === 'audio')
  expect(new Rtc({ codecs: audio }).closed).toBe(false)
})

it('what it throws and what it negotiates is that of the others', () => {
  expect(UsageError).toBe(OwnUsageError)
  expect(DEFAULT_CODECS).toBe(OWN_CODECS)
})
