import type { CryptoProvider } from '@str0m/crypto'
import type { DtlsCertificate } from '@str0m/dtls'
import { type Mid, type OutputQueue, UsageError } from '@str0m/sans-io'
import type { ChannelOptions } from '@str0m/sctp'
import { Candidate, generateCredentials } from '@str0m/stun-ice'
import type { Changes } from './changes.ts'
import type { Channels, PlannedChannel } from './channels.ts'
import {
  ChangeSet,
  type ChangeTarget,
  PendingChanges,
  type PendingOffer,
  type PendingTarget,
} from './change-set.ts'
import type { Answer, Offer } from './description.ts'
import { DirectApi, type DirectTarget } from './direct-api.ts'
import type { RtcOutput } from './events.ts'
import { type AnswerChoices, IncomingOffer, NO_CHOICES } from './incoming-offer.ts'
import type { LocalTransport } from './local-description.ts'
import type { MediaPlane } from './media-plane.ts'
import { randomSsrc } from './random-ids.ts'
import type { MediaUpdate, Negotiated, Session } from './session.ts'
import type { Transport } from './transport.ts'

/** What is set up by what both sides agree on. */
interface Negotiable {
  readonly crypto: CryptoProvider
  readonly certificate: DtlsCertificate
  readonly iceLite: boolean
  readonly session: Session
  readonly transport: Transport
  readonly media: MediaPlane
  readonly channels: Channels
  readonly outputs: OutputQueue<RtcOutput>
  /** Throws a `UsageError` (`closed`) where the peer is. */
  readonly checkOpen: () => void
}

/**
 * Offers and answers (RFC 3264, RFC 8829), or the direct API in place of them: which of both, what waits for an answer, and putting to work what was
 * agreed on. What the descriptions say is `Session`'s.
 */
export class Negotiation implements ChangeTarget, PendingTarget {
  readonly #crypto: CryptoProvider
  readonly #certificate: DtlsCertificate
  readonly #iceLite: boolean
  readonly #session: Session
  readonly #transport: Transport
  readonly #firstUfrag: string
  readonly #media: MediaPlane
  readonly #channels: Channels
  readonly #outputs: OutputQueue<RtcOutput>
  readonly #checkOpen: () => void
  #fingerprint: string | undefined
  #pending: PendingOffer | undefined
  /** How the session was set up; `undefined`: not yet. */
  #mode: 'descriptions' | 'direct' | undefined

  constructor(parts: Negotiable) {
    this.#crypto = parts.crypto
    this.#certificate = parts.certificate
    this.#iceLite = parts.iceLite
    this.#session = parts.session
    this.#transport = parts.transport
    this.#firstUfrag = parts.transport.ice.localCredentials.ufrag
    this.#media = parts.media
    this.#channels = parts.channels
    this.#outputs = parts.outputs
    this.#checkOpen = parts.checkOpen
  }

  addLocalCandidate(candidate: Candidate): void {
    this.#transport.ice.addLocalCandidate(candidate)
    this.#transport.touch()
  }

  removeLocalCandidate(candidate: Candidate): void {
    this.#transport.ice.removeLocalCandidate(candidate)
    this.#transport.touch()
  }

  addRemoteCandidate(candidate: Candidate | string): void {
    const { ice } = this.#transport
    if (candidate === '') {
      ice.endOfRemoteCandidates()
    } else if (typeof candidate === 'string') {
      const parsed = Candidate.parse(candidate)
      if (parsed !== undefined) ice.addRemoteCandidate(parsed)
    } else {
      ice.addRemoteCandidate(candidate)
    }
    this.#transport.touch()
  }

  // --- the peer's offers

  readOffer(offer: Offer): IncomingOffer {
    this.#checkNegotiable()
    const summary = this.#session.negotiateOffer(checkDescription(offer, 'offer')).summarize()
    return new IncomingOffer(summary, (choices) => this.acceptOffer(offer, choices))
  }

  acceptOffer(offer: Offer, choices: AnswerChoices = NO_CHOICES): Answer {
    this.#checkNegotiable()
    const negotiated = this.#session.negotiateOffer(checkDescription(offer, 'offer'), choices)
    this.#mode = 'descriptions'
    if (negotiated.iceRestart) this.#transport.ice.restart()
    else if (this.#transport.remote === undefined) {
      // RFC 8445 section 6.1.1: the offerer controls, unless it is lite and we are not
      this.#transport.ice.setControlling(negotiated.transport?.iceLite === true && !this.#iceLite)
    }
    const { updates, answer } = negotiated.commit(this.#localTransport())
    this.#apply(negotiated, updates)
    return answer
  }

  // --- our offers

  createOffer(): ChangeSet {
    this.#checkOpen()
    this.#checkMode('descriptions')
    return new ChangeSet(this)
  }

  freeMid(taken: ReadonlySet<string>): Mid {
    return this.#session.freeMid(taken)
  }

  checkMid(mid: Mid): void {
    const media = this.#session.media(mid)
    if (media === undefined || media.stopped) {
      throw new UsageError('unknown-mid', `There is no media section "${mid}": see rtc.medias`)
    }
  }

  checkCodecs(kind: 'audio' | 'video'): void {
    if (this.#session.hasCodec(kind)) return
    throw new UsageError('invalid-option', `There is no codec for ${kind}: see the option codecs`)
  }

  planChannel(label: string, options: ChannelOptions): PlannedChannel {
    if (this.#session.dataEnded) {
      throw new UsageError(
        'no-data-channels',
        'The section of the data channels was stopped, and there is no second one: make another peer',
      )
    }
    return this.#channels.plan(label, options)
  }

  applyChanges(changes: Changes, channels: readonly PlannedChannel[]): Offer {
    this.#checkOpen()
    if (this.#pending !== undefined) {
      throw new UsageError(
        'wrong-state',
        'Another offer waits for its answer: take or roll back that one first',
      )
    }
    this.#checkMode('descriptions')
    const taken = changes.added.find(({ mid }) => this.#session.hasMid(mid))
    if (taken !== undefined) {
      throw new UsageError(
        'wrong-state',
        `An offer of the peer's has added a section "${taken.mid}" since: begin the changes anew, by createOffer`,
      )
    }
    const hasSections = this.#session.medias.length > 0 || this.#session.hasData
    if (!hasSections && changes.added.length === 0 && !changes.data) {
      throw new UsageError(
        'no-changes',
        'An offer has at least one section: call addMedia or addChannel first',
      )
    }
    if (this.#transport.remote === undefined) this.#transport.ice.setControlling(!this.#iceLite)
    const restarts = changes.iceRestart && this.#transport.remote !== undefined
    const credentials = restarts ? generateCredentials(this.#crypto) : undefined
    const local = this.#localTransport()
    const { offer, sections } = this.#session.offer(
      changes,
      credentials === undefined ? local : { ...local, credentials },
    )
    this.#mode = 'descriptions'
    this.#pending = { offer, sections, credentials, channels }
    this.#media.awaitAnswer()
    return offer
  }

  pendingChanges(): PendingChanges | undefined {
    return this.#pending === undefined ? undefined : new PendingChanges(this, this.#pending)
  }

  acceptAnswer(pending: PendingOffer, answer: Answer): void {
    this.#checkPending(pending)
    const negotiated = this.#session.negotiateAnswer(checkDescription(answer, 'answer'), pending.sections)
    const { transport, iceRestart } = negotiated
    // where every section is rejected there is no path to find anew
    const mayRestart = transport !== undefined && this.#transport.remote !== undefined
    if (mayRestart && iceRestart !== (pending.credentials !== undefined)) {
      throw new UsageError(
        'invalid-answer',
        'Both sides restart ICE, or neither does: the answer has other credentials',
      )
    }
    this.#pending = undefined
    if (iceRestart && pending.credentials !== undefined) this.#transport.ice.restart(pending.credentials)
    this.#apply(negotiated, negotiated.commit())
    this.#media.answered()
    this.#channels.open(pending.channels)
  }

  rollback(pending: PendingOffer): void {
    this.#checkPending(pending)
    this.#pending = undefined
    this.#media.answered()
  }

  // --- neither

  direct(): DirectApi {
    this.#checkOpen()
    this.#checkMode('direct')
    this.#mode = 'direct'
    return new DirectApi(this.#directTarget())
  }

  #directTarget(): DirectTarget {
    const local = this.#localTransport()
    return {
      medias: () => this.#session.medias,
      localIceCredentials: local.credentials,
      localFingerprint: { algorithm: 'sha-256', value: local.fingerprint },
      connect: (remote, controlling) => {
        this.#checkOpen()
        if (this.#transport.remote !== undefined) {
          throw new UsageError('wrong-state', 'It was told whom to connect to already')
        }
        this.#transport.ice.setControlling(controlling && !this.#iceLite)
        this.#media.setReducedSize(true)
        this.#transport.setRemote(remote)
      },
      addMedia: (mid, kind, negotiated) => {
        this.#checkOpen()
        const media = this.#session.addDirect(mid, kind, negotiated)
        this.#media.setMedias(this.#session.medias)
        return media
      },
      stopMedia: (mid) => {
        const media = this.#session.media(mid)
        if (media === undefined) throw new UsageError('unknown-mid', `There is no media section "${mid}"`)
        media.stop()
        this.#media.setMedias(this.#session.medias)
      },
      openData: (remote) => {
        this.#checkOpen()
        const role = this.#transport.remote?.dtlsRole
        if (role === undefined) throw new UsageError('wrong-state', 'Call connect first')
        this.#session.setDirectData()
        this.#channels.negotiated(remote, role)
      },
      randomSsrc: () => randomSsrc(this.#crypto),
    }
  }

  #checkNegotiable(): void {
    this.#checkOpen()
    this.#checkMode('descriptions')
    if (this.#pending !== undefined) {
      throw new UsageError('wrong-state', 'An offer of ours waits for its answer: roll it back first')
    }
  }

  /** Descriptions and the direct API do not know of each other. */
  #checkMode(mode: 'descriptions' | 'direct'): void {
    if (this.#mode === undefined || this.#mode === mode) return
    throw new UsageError(
      'wrong-state',
      'A session is set up by offers and answers, or by rtc.direct(), not by both',
    )
  }

  #checkPending(pending: PendingOffer): void {
    this.#checkOpen()
    if (this.#pending !== pending)
      throw new UsageError('wrong-state', 'This offer waits for no answer any more')
  }

  #localTransport(): LocalTransport {
    this.#fingerprint ??= this.#certificate.fingerprint('sha-256')
    return {
      credentials: this.#transport.ice.localCredentials,
      candidates: this.#transport.ice.localCandidates,
      firstUfrag: this.#firstUfrag,
      iceLite: this.#iceLite,
      fingerprint: this.#fingerprint,
      initChunk: () => this.#channels.initChunk(),
    }
  }

  /** Puts to work what was agreed on. */
  #apply(negotiated: Negotiated, updates: readonly MediaUpdate[]): void {
    const { data, transport } = negotiated
    if (transport !== undefined) {
      this.#media.setReducedSize(negotiated.reducedSize)
      this.#transport.setRemote(transport)
      for (const candidate of negotiated.candidates) this.addRemoteCandidate(candidate)
      if (negotiated.endOfCandidates) this.addRemoteCandidate('')
    }
    if (data !== undefined && transport !== undefined) this.#channels.negotiated(data, transport.dtlsRole)
    else this.#channels.end()
    for (const { media, added, direction } of updates) {
      const { mid, kind } = media
      this.#outputs.push({
        kind: 'event',
        event: added
          ? { type: 'mediaAdded', mid, kind, direction }
          : { type: 'mediaChanged', mid, direction },
      })
    }
    this.#media.setMedias(this.#session.medias)
  }
}

function checkDescription(description: Offer | Answer, type: 'offer' | 'answer'): string {
  if (typeof description?.sdp !== 'string' || description.type !== type) {
    throw new UsageError(`invalid-${type}`, `An ${type} is { type: '${type}', sdp: '…' }`)
  }
  return description.sdp
}
