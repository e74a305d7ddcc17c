import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type CryptoProvider, nativeCrypto } from '@str0m/crypto'
import { DtlsCertificate } from '@str0m/dtls'
import {
  ExtensionIds,
  type HeaderExtensions,
  parseRtcp,
  type Rtcp,
  writeHeaderExtensions,
  writeRtcp,
  writeRtpHeader,
} from '@str0m/rtp'
import { type EventOutput, type Instant, OutputQueue, type TimeoutOutput } from '@str0m/sans-io'
import { parseSdp, transportOf } from '@str0m/sdp'
import { Candidate } from '@str0m/stun-ice'
import { demultiplex } from '../src/demultiplex.ts'
import type { Answer, Offer, RtcInput, Transmit } from '../src/index.ts'
import { Transport, type TransportOutput } from '../src/transport.ts'

export function fixture(name: string): string {
  return readFileSync(join(import.meta.dirname, 'fixtures', name), 'utf8')
}

/** The datagrams of a fixture, one in each line. */
export function datagrams(name: string): Uint8Array[] {
  return fixture(name)
    .trim()
    .split('\n')
    .map((line) => Uint8Array.from(Buffer.from(line.trim(), 'hex')))
}

export type BrowserEvent =
  | Exclude<TransportOutput, Transmit | { kind: 'released' }>
  | { kind: 'rtcp'; packets: Rtcp[] }

/** What a browser is to an `Rtc`: it makes a real browser's offer with its own credentials, connects, and sends RTP as it is told. */
export class BrowserPeer {
  readonly transport: Transport
  readonly #offer: string
  readonly #certificate: DtlsCertificate
  readonly #queue = new OutputQueue<EventOutput<BrowserEvent>>()
  #now: Instant = 0

  constructor(offer: string, address: string, crypto: CryptoProvider = nativeCrypto(), mtu = 1200) {
    this.#offer = offer
    this.#certificate = DtlsCertificate.generate({ crypto })
    this.transport = new Transport({
      crypto,
      certificate: this.#certificate,
      iceLite: false,
      mtu,
      srtpProfiles: ['AES_CM_128_HMAC_SHA1_80', 'AEAD_AES_128_GCM'],
      dtlsVersions: ['DTLS 1.2'],
    })
    this.transport.ice.setControlling(true)
    this.transport.ice.addLocalCandidate(Candidate.host(address, 'udp'))
  }

  offer(setup = 'actpass'): Offer {
    const { ufrag, pwd } = this.transport.ice.localCredentials
    const sdp = this.#offer
      .replace(/a=ice-ufrag:.*/g, `a=ice-ufrag:${ufrag}`)
      .replace(/a=ice-pwd:.*/g, `a=ice-pwd:${pwd}`)
      .replace(/a=fingerprint:.*/g, `a=fingerprint:sha-256 ${this.#certificate.fingerprint('sha-256')}`)
      .replace(/a=setup:.*/g, `a=setup:${setup}`)
      .replace(/a=candidate:.*\r\n/g, '')
      .replace(/a=end-of-candidates\r\n/g, '')
    return { type: 'offer', sdp }
  }

  accept(answer: Answer): void {
    const description = parseSdp(answer.sdp)
    const section = description.media.find(({ port }) => port !== 0)!
    const { iceUfrag, icePwd, fingerprints, setup } = transportOf(description, section)
    this.transport.setRemote({
      iceUfrag: iceUfrag!,
      icePwd: icePwd!,
      iceLite: description.iceLite,
      fingerprints,
      dtlsRole: setup === 'active' ? 'server' : 'client',
    })
    for (const text of section.candidates) this.transport.ice.addRemoteCandidate(Candidate.parse(text)!)
    this.transport.touch()
  }

  handleInput(input: RtcInput): void {
    this.#now = Math.max(this.#now, input.now)
    if (input.kind === 'timeout') {
      this.transport.handleTimeout(input.now)
      return
    }
    const protocol = demultiplex(input.contents)
    if (protocol === 'stun') this.transport.handleStun(input)
    else if (protocol === 'dtls') this.transport.handleDtls(input)
    else if (protocol === 'rtcp') {
      const length = this.transport.unprotect(input, true)
      if (length < 0) return
      const { packets } = parseRtcp(input.contents, length)
      this.#queue.push({ kind: 'event', event: { kind: 'rtcp', packets } })
    }
  }

  pollOutput(): Transmit | EventOutput<BrowserEvent> | TimeoutOutput {
    for (;;) {
      const queued = this.#queue.shift()
      if (queued !== undefined) return queued
      const output = this.transport.poll()
      if (output === undefined) return { kind: 'timeout', at: this.transport.deadline }
      if (output.kind === 'transmit') return output
      if (output.kind === 'released') this.handleInput(output.input)
      else return { kind: 'event', event: output }
    }
  }

  /** Sends one RTP packet. */
  sendRtp(packet: {
    pt: number
    sequenceNumber: number
    timestamp: number
    ssrc: number
    payload: Uint8Array
    marker?: boolean
    /** The mid, and the id of its extension. */
    mid?: readonly [id: number, mid: string]
    /** The encoding that it is of, or that it repairs, likewise. */
    rid?: readonly [id: number, rid: string]
    repairedRid?: readonly [id: number, rid: string]
    /** Its number among all packets of the transport, and the id of its extension. */
    transport?: readonly [id: number, sequenceNumber: number]
  }): void {
    const srtp = this.transport.outbound!
    const ids = new ExtensionIds()
    const values: HeaderExtensions = {}
    for (const name of ['mid', 'rid', 'repairedRid'] as const) {
      const given = packet[name]
      if (given === undefined) continue
      ids.map(given[0], name)
      values[name] = given[1]
    }
    if (packet.transport !== undefined) {
      ids.map(packet.transport[0], 'transportSequenceNumber')
      values.transportSequenceNumber = packet.transport[1]
    }
    const extensions = writeHeaderExtensions(values, ids)
    const buffer = new Uint8Array(64 + packet.payload.length + srtp.rtpOverhead)
    const at = writeRtpHeader(
      buffer,
      { ...packet, payloadType: packet.pt, marker: packet.marker ?? false },
      extensions?.profile,
      extensions?.bytes,
    )
    buffer.set(packet.payload, at)
    const length = srtp.protectRtp(buffer, at + packet.payload.length)
    this.transport.transmit(buffer.slice(0, length))
  }

  sendRtcp(packets: readonly Rtcp[]): void {
    const srtp = this.transport.outbound!
    const plain = writeRtcp(packets)
    const buffer = new Uint8Array(plain.length + srtp.rtcpOverhead)
    buffer.set(plain)
    this.transport.transmit(buffer.slice(0, srtp.protectRtcp(buffer, plain.length)))
  }
}
