import type { CryptoProvider } from '@str0m/crypto'
import {
  type ClosedEvent,
  type ConnectedEvent,
  Dtls,
  type DtlsCertificate,
  type DtlsVersion,
  type SrtpKeys,
} from '@str0m/dtls'
import { type Instant, NEVER, OutputQueue } from '@str0m/sans-io'
import type { Fingerprint } from '@str0m/sdp'
import { SrtpContext, srtpKeyLengths, type SrtpProfile } from '@str0m/srtp'
import { IceAgent, type IcePair, type IceState } from '@str0m/stun-ice'
import { type DropReason, noDrops } from './drops.ts'
import type { CloseReason, Receive, Transmit } from './events.ts'
import { FLIGHT_LIMITS, HoldBack, MEDIA_LIMITS } from './hold-back.ts'

/** What is negotiated where nothing else is asked for, the preferred one first. */
export const SRTP_PROFILES: readonly SrtpProfile[] = [
  'AEAD_AES_128_GCM',
  'AES_CM_128_HMAC_SHA1_80',
  'AEAD_AES_256_GCM',
  'AES_CM_128_HMAC_SHA1_32',
]

/**
 * Packets of a source that are told from repeated ones: where no retransmission is negotiated, one that was lost comes under its own number once more, at a
 * high rate more than a thousand packets later.
 */
const REPLAY_WINDOW = 2048
/** Sources that RTCP comes from in a session's whole life: those that send, `MAX_SEND_STREAMS`, and those that only report, `MAX_REPORTING_SOURCES`. */
const MAX_OUTBOUND_SOURCES = 0x2_0000

export interface TransportOptions {
  readonly crypto: CryptoProvider
  readonly certificate: DtlsCertificate
  readonly iceLite: boolean
  readonly mtu: number
  readonly srtpProfiles: readonly SrtpProfile[]
  readonly dtlsVersions: readonly DtlsVersion[]
}

/** What the peer's description says of its end of the transport. */
export interface RemoteTransport {
  readonly iceUfrag: string
  readonly icePwd: string
  readonly iceLite: boolean
  readonly fingerprints: readonly Fingerprint[]
  /** Our part in the DTLS handshake. */
  readonly dtlsRole: 'client' | 'server'
}

/** W3C `RTCDtlsTransportState`. */
export type DtlsTransportState = 'new' | 'connecting' | 'connected' | 'closed' | 'failed'

export type TransportOutput =
  | Transmit
  | { readonly kind: 'iceState'; readonly state: IceState }
  | { readonly kind: 'resolveMdns'; readonly name: string }
  /** `srtp`: keys for media are set. Without, the peer knows no SRTP profile that we do. */
  | { readonly kind: 'connected'; readonly srtp: boolean }
  /** An SCTP packet. */
  | { readonly kind: 'data'; readonly contents: Uint8Array }
  /** Media that was held back until the keys were set: give it to `receive` again. */
  | { readonly kind: 'released'; readonly input: Receive }
  | { readonly kind: 'closed'; readonly reason: CloseReason; readonly detail?: string }

/**
 * The one way to the peer: ICE finds the path, DTLS on that path authenticates and gives keys, SRTP protects with them. The
 * order is RFC 8842's and RFC 5764's: nothing of DTLS or SRTP is looked at that did not come by a path which ICE has validated or, once there are
 * keys to tell by, on which an authentic check of the peer's was answered.
 */
export class Transport {
  readonly ice: IceAgent
  readonly dropped: Record<DropReason, number> = noDrops()
  readonly #options: TransportOptions
  readonly #outputs = new OutputQueue<TransportOutput>()
  readonly #earlyFlights = new HoldBack<Receive>(FLIGHT_LIMITS, 'newest')
  readonly #earlyMedia = new HoldBack<Receive>(MEDIA_LIMITS, 'oldest')
  #remote: RemoteTransport | undefined
  #dtls: Dtls | undefined
  #pair: IcePair | undefined
  #inbound: SrtpContext | undefined
  #outbound: SrtpContext | undefined
  #state: DtlsTransportState = 'new'
  #now: Instant = Number.NEGATIVE_INFINITY
  /** When the parts next need the time; `-Infinity`: they changed and were not polled since. */
  #iceAt: Instant = Number.NEGATIVE_INFINITY
  #dtlsAt: Instant = NEVER
  packetsSent = 0
  packetsReceived = 0
  bytesSent = 0
  bytesReceived = 0
  /** How often another path was taken, or none. */
  pairChanges = 0
  /** What the handshake has agreed on; `undefined` before. */
  agreed: Pick<ConnectedEvent, 'version' | 'cipherSuite'> | undefined

  /** Throws a `UsageError` (`unknown-profile`). */
  constructor(options: TransportOptions) {
    // else it would throw in the middle of the run loop, where DTLS starts
    for (const profile of options.srtpProfiles) srtpKeyLengths(profile)
    this.#options = options
    this.ice = new IceAgent({ crypto: options.crypto, lite: options.iceLite })
  }

  get connected(): boolean {
    return this.#state === 'connected'
  }

  get dtlsState(): DtlsTransportState {
    return this.#state
  }

  /** Whether it has ended, by either side or by a failure. */
  get #ended(): boolean {
    return this.#state === 'closed' || this.#state === 'failed'
  }

  get remote(): RemoteTransport | undefined {
    return this.#remote
  }

  get dtls(): Dtls | undefined {
    return this.#dtls
  }

  /** What comes in is unprotected with it; `undefined` before the handshake is done. */
  get inbound(): SrtpContext | undefined {
    return this.#inbound
  }

  /** The path that is used; another object where it has changed. `undefined`: none yet. */
  get path(): IcePair | undefined {
    return this.#pair
  }

  /** Of the selected path, in ms; `undefined` where no check has measured it. */
  get roundTripTime(): number | undefined {
    const seconds = this.ice.selectedPairStatistics?.currentRoundTripTime
    return seconds === undefined ? undefined : 1000 * seconds
  }

  /** What goes out is protected with it. */
  get outbound(): SrtpContext | undefined {
    return this.#outbound
  }

  /**
   * The same for media; `undefined` also where there is no path. What is protected and not sent uses up packet indices, the high bits of which the peer only guesses: after
   * 2^15 of them it would understand nothing more (RFC 3711 section 3.3.1).
   */
  get outboundMedia(): SrtpContext | undefined {
    return this.#pair === undefined ? undefined : this.#outbound
  }

  /** When `handleTimeout` is next needed. */
  get deadline(): Instant {
    return Math.min(this.#iceAt, this.#dtlsAt)
  }

  /** Says that `ice` was changed from outside, so that it is polled. */
  touch(): void {
    this.#iceAt = Number.NEGATIVE_INFINITY
  }

  /** Takes the peer's end, at first or after an ICE restart. */
  setRemote(remote: RemoteTransport): void {
    // first of all, for it may throw
    this.ice.setRemoteCredentials({ ufrag: remote.iceUfrag, pwd: remote.icePwd })
    this.#remote = remote
    this.ice.setRemoteLite(remote.iceLite)
    this.touch()
    // a server listens from now on: the ClientHello may come before a pair is selected
    if (remote.dtlsRole === 'server' || this.#pair !== undefined) this.#startDtls()
  }

  handleTimeout(now: Instant): void {
    this.#now = Math.max(now, this.#now)
    if (this.#iceAt <= now) {
      this.ice.handleInput({ kind: 'timeout', now })
      this.touch()
    }
    if (this.#dtls !== undefined && this.#dtlsAt <= now) {
      this.#dtls.handleInput({ kind: 'timeout', now })
      this.#dtlsAt = Number.NEGATIVE_INFINITY
    }
  }

  handleStun(input: Receive): void {
    this.#now = Math.max(input.now, this.#now)
    this.ice.handleInput(input)
    this.touch()
  }

  handleDtls(input: Receive): void {
    this.#now = Math.max(input.now, this.#now)
    if (!this.ice.isValidatedPath(input) && !(this.connected && this.ice.isConsentedPath(input))) {
      this.#holdBack(this.#earlyFlights, input, 'unvalidatedPath')
    } else if (this.#dtls === undefined) {
      this.#holdBack(this.#earlyFlights, input, 'tooEarly')
    } else {
      this.#giveToDtls(input)
    }
  }

  /**
   * Decrypts an SRTP or SRTCP packet in place and answers its length; -1 where it was dropped or held back. What is dropped
   * is counted.
   */
  unprotect(input: Receive, rtcp: boolean): number {
    const inbound = this.#inbound
    const isValidated = this.ice.isValidatedPath(input)
    if (!isValidated && (inbound === undefined || !this.ice.isConsentedPath(input))) {
      this.dropped.unvalidatedPath++
      return -1
    }
    if (inbound === undefined) {
      this.#holdBack(this.#earlyMedia, input, 'tooEarly')
      return -1
    }
    this.packetsReceived++
    this.bytesReceived += input.contents.length
    const length = rtcp ? inbound.unprotectRtcp(input.contents) : inbound.unprotectRtp(input.contents)
    if (length >= 0 && isValidated) {
      this.ice.pathAuthenticated(input.now)
      // it is connected again, and says so
      if (this.ice.state === 'disconnected') this.touch()
    }
    return length
  }

  /** Sends what is protected already. Dropped where there is no path. */
  transmit(contents: Uint8Array): void {
    const pair = this.#pair
    if (pair === undefined) return
    this.packetsSent++
    this.bytesSent += contents.length
    const { proto, source, destination } = pair
    this.#outputs.push({ kind: 'transmit', proto, source, destination, contents })
  }

  /** Sends an SCTP packet, encrypted in its buffer. Dropped where DTLS is not connected. */
  sendData(packet: Uint8Array): void {
    // the peer's goodbye may be in, and not polled yet
    if (!this.connected || this.#dtls?.state !== 'connected') return
    this.#dtls.sendInPlace(packet)
    this.#dtlsAt = Number.NEGATIVE_INFINITY
  }

  /** Gives up: nothing was agreed on that could be sent. */
  fail(detail: string): void {
    this.#end('dtls-failed', detail)
  }

  /** Says goodbye and stops. */
  close(): void {
    this.#end('local')
  }

  /** The next output; `undefined`: drained. */
  poll(): TransportOutput | undefined {
    for (;;) {
      const output = this.#outputs.shift()
      if (output !== undefined) return output
      const polled = this.#pollIce() || this.#pollDtls()
      if (!polled) return undefined
    }
  }

  /** Takes what ICE has; false: drained. */
  #pollIce(): boolean {
    if (this.#iceAt !== Number.NEGATIVE_INFINITY) return false
    const output = this.ice.pollOutput()
    if (output.kind === 'timeout') {
      this.#iceAt = this.#ended ? NEVER : output.at
      return false
    }
    if (output.kind === 'transmit') {
      this.#outputs.push(output)
      return true
    }
    const { event } = output
    switch (event.type) {
      case 'stateChange':
        if (!this.#ended) this.#outputs.push({ kind: 'iceState', state: event.state })
        break
      case 'selectedPair':
        this.#pair = event.pair
        this.pairChanges++
        if (event.pair !== undefined) this.#startDtls()
        break
      case 'candidatePairValidated':
        this.#releaseValidated()
        break
      case 'resolveMdns':
        this.#outputs.push({ kind: 'resolveMdns', name: event.name })
        break
      case 'roleChange':
        break
    }
    return true
  }

  #pollDtls(): boolean {
    const dtls = this.#dtls
    if (dtls === undefined || this.#dtlsAt !== Number.NEGATIVE_INFINITY) return false
    const output = dtls.pollOutput()
    if (output.kind === 'timeout') {
      this.#dtlsAt = this.#ended ? NEVER : output.at
      return false
    }
    if (output.kind === 'transmit') {
      this.transmit(output.contents)
      return true
    }
    const { event } = output
    switch (event.type) {
      case 'connected':
        this.agreed = { version: event.version, cipherSuite: event.cipherSuite }
        if (event.srtp !== undefined) this.#setKeys(event.srtp)
        this.#state = 'connected'
        this.#outputs.push({ kind: 'connected', srtp: event.srtp !== undefined })
        for (const held of [this.#earlyFlights, this.#earlyMedia]) {
          for (const input of held.release()) this.#outputs.push({ kind: 'released', input })
        }
        break
      case 'closed':
        this.#dtlsClosed(event)
        break
      case 'data':
        this.#outputs.push({ kind: 'data', contents: event.data })
        break
    }
    return true
  }

  #dtlsClosed({ reason, alert, refusal }: ClosedEvent): void {
    if (reason === 'close-notify') this.#end('remote')
    else this.#end('dtls-failed', [reason, alert, refusal].filter((part) => part !== undefined).join(', '))
  }

  #setKeys(keys: SrtpKeys): void {
    const { crypto } = this.#options
    const { profile } = keys
    this.#inbound = new SrtpContext({
      crypto,
      replayWindow: REPLAY_WINDOW,
      profile,
      masterKey: keys.remoteKey,
      masterSalt: keys.remoteSalt,
    })
    this.#outbound = new SrtpContext({
      crypto,
      replayWindow: REPLAY_WINDOW,
      profile,
      masterKey: keys.localKey,
      masterSalt: keys.localSalt,
      maxStreams: MAX_OUTBOUND_SOURCES,
      // a packet that was lost is sent again as it was, where no retransmission was negotiated
      allowRepeats: true,
    })
  }

  /** Once, as soon as the peer's certificate is announced and there is a path, or a server waits for one. */
  #startDtls(): void {
    const remote = this.#remote
    if (this.#state !== 'new' || remote === undefined) return
    const { crypto, certificate, mtu, srtpProfiles, dtlsVersions } = this.#options
    this.#dtls = new Dtls({
      role: remote.dtlsRole,
      versions: dtlsVersions,
      crypto,
      certificate,
      mtu,
      srtpProfiles,
      remoteFingerprints: remote.fingerprints,
      // the path is proven by ICE: RFC 5763 section 6.7.1
      cookie: 'off',
    })
    this.#state = 'connecting'
    this.#dtls.handleInput({ kind: 'timeout', now: this.#now })
    this.#dtlsAt = Number.NEGATIVE_INFINITY
  }

  #giveToDtls(input: Receive): void {
    this.packetsReceived++
    this.bytesReceived += input.contents.length
    this.#dtls?.handleInput({ kind: 'receive', now: input.now, contents: input.contents })
    this.#dtlsAt = Number.NEGATIVE_INFINITY
  }

  #holdBack(hold: HoldBack<Receive>, input: Receive, reason: 'unvalidatedPath' | 'tooEarly'): void {
    this.dropped[reason] += this.connected || this.#ended ? 1 : hold.keep(input)
  }

  /** A flight that came before its path was validated: the peer's timer would cost a second. */
  #releaseValidated(): void {
    for (const input of this.#earlyFlights.release()) {
      if (this.ice.isValidatedPath(input)) this.#outputs.push({ kind: 'released', input })
      else this.#holdBack(this.#earlyFlights, input, 'unvalidatedPath')
    }
  }

  #end(reason: CloseReason, detail?: string): void {
    if (this.#ended) return
    // what DTLS has to say goodbye with goes before the path is given up
    this.#dtls?.close()
    this.#state = reason === 'dtls-failed' ? 'failed' : 'closed'
    for (;;) {
      const output = this.#dtls?.pollOutput()
      if (output === undefined || output.kind === 'timeout') break
      if (output.kind === 'transmit') this.transmit(output.contents)
    }
    this.ice.close()
    this.touch()
    this.#dtlsAt = NEVER
    this.#earlyFlights.release()
    this.#earlyMedia.release()
    this.#outputs.push({ kind: 'closed', reason, ...(detail === undefined ? {} : { detail }) })
  }
}
