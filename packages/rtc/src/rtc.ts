import { defaultCrypto } from '@str0m/crypto'
import { DtlsCertificate } from '@str0m/dtls'
import { type Instant, latestInstant, type Mid, OutputQueue, plainBytes, UsageError } from '@str0m/sans-io'
import { DEFAULT_CODECS } from '@str0m/sdp'
import type { ChannelOptions } from '@str0m/sctp'
import type { Candidate, IcePath, IceState } from '@str0m/stun-ice'
import { checkReceive } from './check-receive.ts'
import type { Channel, ChannelId } from './channel.ts'
import { Channels } from './channels.ts'
import type { ChangeSet, PendingChanges } from './change-set.ts'
import { demultiplex } from './demultiplex.ts'
import type { Answer, Offer } from './description.ts'
import type { DropReason } from './drops.ts'
import type { Receive, RtcEvent, RtcInput, RtcOutput, Transmit } from './events.ts'
import type { DirectApi } from './direct-api.ts'
import type { IncomingOffer } from './incoming-offer.ts'
import type { Media } from './media.ts'
import { MediaPlane } from './media-plane.ts'
import { Negotiation } from './negotiation.ts'
import {
  checkOptions,
  resolveDtlsVersions,
  resolveFeedback,
  resolveMaxMessageSize,
  resolveMtu,
  type RtcOptions,
} from './options.ts'
import { Session } from './session.ts'
import { agreedOn, type RtcStatistics } from './statistics.ts'
import { randomName } from './random-ids.ts'
import { SRTP_PROFILES, Transport, type TransportOutput } from './transport.ts'

/**
 * A WebRTC peer without I/O. It is driven: give it datagrams and time by `handleInput`, then poll until it answers `timeout`, and
 * send what it hands out.
 *
 * What a method sends, it sends at the time of the latest input. Where you call one at another time (a timer of yours, a frame of your encoder), give
 * the time first: `handleInput({ kind: 'timeout', now })`. Reports and round trips are measured by it.
 *
 * Passive: `addLocalCandidate`, `acceptOffer`. Active: `addLocalCandidate`, `createOffer`, `apply`, `pendingChanges().acceptAnswer`.
 */
export class Rtc {
  readonly #transport: Transport
  readonly #session: Session
  readonly #channels: Channels
  readonly #media: MediaPlane
  readonly #outputs = new OutputQueue<RtcOutput>()
  readonly #negotiation: Negotiation
  #now: Instant = Number.NEGATIVE_INFINITY
  #closed = false

  /** Throws a `UsageError` (`invalid-option`, `unknown-profile`). */
  constructor(options: RtcOptions = {}) {
    checkOptions(options)
    const mtu = resolveMtu(options)
    const maxMessageSize = resolveMaxMessageSize(options)
    const dtlsVersions = resolveDtlsVersions(options)
    const crypto = options.crypto ?? defaultCrypto()
    const iceLite = options.iceLite ?? false
    const certificate =
      options.certificate ??
      DtlsCertificate.generate({
        crypto,
        ...(options.wallClock === undefined ? {} : { wallClock: options.wallClock }),
      })
    this.#transport = new Transport({
      crypto,
      certificate,
      iceLite,
      mtu,
      srtpProfiles: options.srtpProfiles ?? SRTP_PROFILES,
      dtlsVersions,
    })
    const cname = randomName(crypto)
    this.#media = new MediaPlane(
      {
        crypto,
        mtu,
        rtpMode: options.rtpMode ?? false,
        maxReorderWait: options.maxReorderWait,
        cname,
        wallClock: options.wallClock ?? { now: 0, unixTime: 0 },
        bandwidthEstimation: options.bandwidthEstimation,
      },
      this.#transport,
      this.#outputs,
    )
    this.#session = new Session(this.#media, {
      crypto,
      cname,
      codecs: options.codecs ?? DEFAULT_CODECS,
      maxMessageSize,
      dtlsSetup: options.dtlsSetup ?? 'active',
      hasAssociation: () => this.#transport.dtls !== undefined,
      feedback: resolveFeedback(options),
    })
    this.#channels = new Channels({ crypto, mtu, maxMessageSize })
    this.#negotiation = new Negotiation({
      crypto,
      certificate,
      iceLite,
      session: this.#session,
      transport: this.#transport,
      media: this.#media,
      channels: this.#channels,
      outputs: this.#outputs,
      checkOpen: () => this.#checkOpen(),
    })
  }

  // --- candidates

  /** The user name of our ICE credentials: what a check for this peer starts with. Changes when ICE is restarted. */
  get iceUfrag(): string {
    return this.#transport.ice.localCredentials.ufrag
  }

  get iceState(): IceState {
    return this.#transport.ice.state
  }

  /**
   * Adds an address that this peer can be reached at. Those added before `acceptOffer` or `apply` stand in the description, later ones are to be
   * sent to the peer by other means (trickle ICE). One that was added before changes nothing. Throws a `UsageError` (`closed`, `invalid-candidate`,
   * `too-many-candidates`).
   */
  addLocalCandidate(candidate: Candidate): void {
    this.#checkOpen()
    this.#negotiation.addLocalCandidate(candidate)
  }

  /**
   * Takes a local address back that is gone, as with the network that a phone has left: nothing is sent from there any more, and descriptions are without it. A host candidate takes those
   * with it that have it as their base. Where it was the only one, the ICE state is `failed` until ICE is restarted: add the new address first, then offer with
   * `iceRestart`. One that is not there changes nothing. Throws a `UsageError` (`closed`, `invalid-candidate`).
   */
  removeLocalCandidate(candidate: Candidate): void {
    this.#checkOpen()
    this.#negotiation.removeLocalCandidate(candidate)
  }

  /**
   * Takes a candidate of the peer's: a `Candidate`, or the text of RFC 8839 as `RTCIceCandidate.candidate` has it. An empty text says that there are
   * no more. What cannot be used is ignored. Throws a `UsageError` (`closed`, `invalid-candidate` for what is neither).
   */
  addRemoteCandidate(candidate: Candidate | string): void {
    this.#checkOpen()
    this.#negotiation.addRemoteCandidate(candidate)
  }

  /** Answers a `resolveMdns` event: the address of the name, or `undefined` if there is none. Nothing, once closed. Throws a `UsageError` (`invalid-address`). */
  resolveMdns(name: string, address: string | undefined): void {
    if (this.#closed) return
    this.#transport.ice.resolveMdns(name, address)
    this.#transport.touch()
  }

  // --- negotiation

  /**
   * Takes the peer's offer and answers it. Throws a `UsageError`, and nothing has changed: `invalid-sdp` (an `SdpError`, which names the line),
   * `invalid-offer`, `wrong-state` where an offer of ours waits for its answer or the session is set up by `direct`, `closed`.
   */
  acceptOffer(offer: Offer): Answer {
    return this.#negotiation.acceptOffer(offer)
  }

  /**
   * Reads the peer's offer, so that it can be looked at and answered in part, or refused. Nothing changes. Throws a `UsageError` as `acceptOffer`
   * does.
   */
  readOffer(offer: Offer): IncomingOffer {
    return this.#negotiation.readOffer(offer)
  }

  /** Starts a set of changes to be offered. Throws a `UsageError`: `wrong-state` where the session is set up by `direct`, `closed`. */
  createOffer(): ChangeSet {
    return this.#negotiation.createOffer()
  }

  /** The offer that waits for its answer; `undefined` where there is none. */
  pendingChanges(): PendingChanges | undefined {
    return this.#negotiation.pendingChanges()
  }

  /**
   * Sets up the session without descriptions, for two sides that know what they would say. Throws a `UsageError`: `wrong-state` where there was an offer,
   * `closed`.
   */
  direct(): DirectApi {
    return this.#negotiation.direct()
  }

  /** The media section with this mid; `undefined` before it is negotiated. */
  media(mid: Mid): Media | undefined {
    return this.#session.media(mid)
  }

  /** All media sections, in the order of the descriptions. */
  get medias(): readonly Media[] {
    return this.#session.medias
  }

  /**
   * What would be sent if there were room for it, bits per second, and 2.5 Mbit/s by default: the path is probed for that much, also while less is written. An SFU sets it to what the
   * layers that it would send take. Throws a `UsageError` (`invalid-option`, `wrong-mode` without `bandwidthEstimation`, `closed`).
   */
  setDesiredBitrate(bitrate: number): void {
    this.#checkOpen()
    this.#media.setDesiredBitrate(bitrate)
  }

  // --- data channels

  /** The data channel with this id; `undefined` where it is closed, and where the offer that is to open it was not answered yet. */
  channel(id: ChannelId): Channel | undefined {
    return this.#channels.find(id)
  }

  /** All data channels that are not closed. */
  get channels(): readonly Channel[] {
    return this.#channels.all
  }

  /**
   * Opens one more data channel, without an offer: `channelOpen` follows, or `channelClose` where it cannot be opened. Throws a `UsageError`: `no-data-channels` where no section for
   * them was agreed on (see `ChangeSet.addChannel` and `DirectApi.openDataChannels`), `invalid-option` (also for an `id` without `negotiated`), `id-in-use`, `closed`.
   */
  addChannel(label: string, options: ChannelOptions = {}): ChannelId {
    this.#checkOpen()
    if (!this.#session.hasData) {
      throw new UsageError(
        'no-data-channels',
        'Offer the first data channel by createOffer().addChannel(), or begin with direct().openDataChannels()',
      )
    }
    const planned = this.#channels.plan(label, options)
    this.#channels.open([planned])
    return planned.id
  }

  // --- the run loop

  /** Whether both sides are authenticated and media may flow. */
  get connected(): boolean {
    return this.#transport.connected
  }

  get closed(): boolean {
    return this.#closed
  }

  /**
   * Gives a datagram, or the time. Never throws for what a datagram holds; a `UsageError` where `now` is no number or `Infinity` (`invalid-time`), where it is neither or has no
   * bytes (`invalid-input`), and where its addresses are none, or the wildcard that a socket is bound to (`invalid-address`).
   */
  handleInput(input: RtcInput): void {
    if (input?.kind !== 'timeout') checkReceive(input)
    this.#now = latestInstant(this.#now, input.now)
    this.#media.setNow(this.#now)
    this.#channels.setNow(this.#now)
    if (input.kind === 'timeout') {
      this.#handleTimeout(this.#now)
      return
    }
    const { kind, proto, source, destination, contents } = input
    this.#handleReceive({
      kind,
      now: this.#now,
      proto,
      source,
      destination,
      contents: plainBytes(contents),
    })
  }

  /** What to do next. Poll until it answers `timeout`. */
  pollOutput(): RtcOutput {
    for (;;) {
      const output = this.#outputs.shift()
      if (output !== undefined) return output
      const from = this.#transport.poll()
      if (from !== undefined) {
        // nothing is queued before it
        if (from.kind === 'transmit') return from
        this.#handleTransport(from)
        continue
      }
      const data = this.#channels.poll()
      if (data === undefined) return { kind: 'timeout', at: this.#deadline() }
      if (data.kind === 'event') return data
      this.#transport.sendData(data.contents)
    }
  }

  /**
   * Ends the call: says goodbye to the peer and, once polled, says `closed`. What data channels cannot send at once is lost: where it is to arrive, close them first, and wait for their
   * `channelClose`. Does nothing where it is closed.
   */
  close(): void {
    if (this.#closed) return
    this.#media.close()
    this.#endChannels()
    this.#closed = true
    this.#transport.close()
  }

  /**
   * Whether a datagram that came by this path is ours: ICE has validated it. A datagram by another path may be too, if it is a check with our
   * `iceUfrag`, or comes from where such a check was answered.
   */
  isValidatedPath(path: IcePath): boolean {
    return this.#transport.ice.isValidatedPath(path)
  }

  get statistics(): RtcStatistics {
    const { ice, dtls, inbound, agreed, pairChanges } = this.#transport
    const selectedCandidatePair = ice.selectedPairStatistics
    const sctp = this.#channels.statistics
    const { roundTripTime, bandwidth } = this.#media
    return {
      iceState: ice.state,
      iceRole: ice.controlling ? 'controlling' : 'controlled',
      dtlsState: this.#transport.dtlsState,
      dtlsRole: dtls?.role ?? 'unknown',
      ...agreedOn(agreed, inbound?.profile),
      ...(selectedCandidatePair === undefined ? {} : { selectedCandidatePair }),
      selectedCandidatePairChanges: pairChanges,
      packetsSent: this.#transport.packetsSent,
      packetsReceived: this.#transport.packetsReceived,
      bytesSent: this.#transport.bytesSent,
      bytesReceived: this.#transport.bytesReceived,
      dropped: { ...this.#transport.dropped },
      ice: ice.statistics,
      ...(dtls === undefined ? {} : { dtls: dtls.statistics }),
      ...(inbound === undefined ? {} : { srtpReceived: inbound.statistics }),
      ...(roundTripTime === undefined ? {} : { roundTripTime }),
      inbound: this.#media.inbound,
      outbound: this.#media.outbound,
      ...(bandwidth === undefined ? {} : { bandwidth }),
      ...(sctp === undefined ? {} : { sctp }),
      channels: this.#channels.channelStatistics,
    }
  }

  #checkOpen(): void {
    if (this.#closed) throw new UsageError('closed', 'The peer is closed: make another')
  }

  /** Lets the peer know before the way to it is gone. */
  #endChannels(): void {
    // what was written before goes out before, whether or not it was polled since
    this.#drainChannels()
    this.#channels.end()
    this.#drainChannels()
  }

  #drainChannels(): void {
    for (let output = this.#channels.poll(); output !== undefined; output = this.#channels.poll()) {
      if (output.kind === 'transmit') this.#transport.sendData(output.contents)
      else this.#outputs.push(output)
    }
  }

  #event(event: RtcEvent): void {
    this.#outputs.push({ kind: 'event', event })
  }

  #drop(reason: DropReason): void {
    this.#transport.dropped[reason]++
  }

  #deadline(): Instant {
    // what was due of the media and the channels is not any more
    if (this.#closed) return this.#transport.deadline
    return Math.min(this.#transport.deadline, this.#media.deadline, this.#channels.deadline)
  }

  #handleTimeout(now: Instant): void {
    this.#transport.handleTimeout(now)
    if (this.#closed) return
    this.#media.handleTimeout()
    this.#channels.handleTimeout()
  }

  #handleReceive(input: Receive): void {
    if (this.#closed) {
      this.#drop('closed')
      return
    }
    switch (demultiplex(input.contents)) {
      case 'stun':
        this.#transport.handleStun(input)
        return
      case 'dtls':
        this.#transport.handleDtls(input)
        return
      case 'rtp':
        this.#media.handleRtp(input)
        return
      case 'rtcp':
        this.#media.handleRtcp(input)
        return
      case undefined:
        this.#drop('unknownProtocol')
    }
  }

  #handleTransport(output: Exclude<TransportOutput, Transmit>): void {
    switch (output.kind) {
      case 'iceState':
        this.#event({ type: 'iceConnectionStateChange', state: output.state })
        return
      case 'resolveMdns':
        this.#event({ type: 'resolveMdns', name: output.name })
        return
      case 'connected':
        if (!output.srtp && this.#session.medias.length > 0) {
          this.#transport.fail('the peer has no SRTP profile in common')
          return
        }
        this.#event({ type: 'connected' })
        this.#channels.transportConnected()
        return
      case 'data':
        if (!this.#channels.handleReceive(output.contents)) this.#drop('unexpectedData')
        return
      case 'released':
        this.#handleReceive(output.input)
        return
      case 'closed': {
        this.#endChannels()
        this.#closed = true
        const { reason, detail } = output
        this.#event({ type: 'closed', reason, ...(detail === undefined ? {} : { detail }) })
      }
    }
  }
}
