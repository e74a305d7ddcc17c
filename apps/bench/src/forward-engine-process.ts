// One publisher's packets forwarded to many, without sockets: what the peers of the server in the middle take, beside the cipher alone.
import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from 'node:crypto'
import type { PacketForwarder, Rtc, RtpPacket } from '@str0m/rtc'
import { SrtpContext, type SrtpProfile, srtpKeyLengths } from '@str0m/srtp'
import { countBuffers } from './buffer-count.ts'
import { finish } from './child.ts'
import { MemoryWire } from './memory-wire.ts'
import { HEADER_LENGTH, makePacket, makePayload, MTU, PACKET_LENGTH, setSequenceNumber } from './packets.ts'
import { type Contender, runRounds } from './rounds.ts'
import { str0mSrtp } from './srtp-str0m.ts'

export interface ForwardEngineResult {
  /** µs a forwarded packet, of each round: `engine`, `protect` and `node:crypto`. µs a packet that came in: `unprotect` and `node:crypto, opening`. */
  readonly times: Record<string, number[]>
  /** Byte buffers that were allocated for each forwarded packet. */
  readonly packetBuffers: number
  /** Of these, what the cipher made: keystream for several packets at once. */
  readonly cipherBuffers: number
  /** The share of the packets that the subscribers did not get, or refused. */
  readonly lost: number
}

const SSRC = 0x5712_0006
const PROFILE: SrtpProfile = 'AEAD_AES_128_GCM'
/** Forwarded packets a round. */
const FORWARDED = 600
/** Packets that are opened in a round, at least. */
const UNPROTECTED = 64
const WARM_UP = 12
/** Packets to each subscriber before: what a stream keeps for retransmission has grown to its bound. */
const FILLING = 500
/** Virtual ms between two packets. */
const INTERVAL = 1

const [subscribers, rounds] = process.argv.slice(2).map(Number) as [number, number]
const packets = Math.max(6, Math.ceil(FORWARDED / subscribers))
let arrived = 0
let expected = 0

class Subscription {
  readonly wire: MemoryWire
  readonly forwarder: PacketForwarder
  /** What the server has for this subscriber. */
  outgoing: Uint8Array[] = []

  constructor() {
    this.wire = new MemoryWire({ rtpMode: true, mtu: MTU, srtpProfiles: [PROFILE] }, 0, (event) => {
      if (event.type === 'rtpPacket') arrived++
    })
    this.wire.connect((change) => void change.addMedia('video', 'recvonly'))
    const [media] = this.server.medias
    this.forwarder = media!.forwarder(media!.codecs[0]!.pt)
  }

  get server(): Rtc {
    return this.wire.answerer.rtc
  }
}

const subscriptions = Array.from({ length: subscribers }, () => new Subscription())
const received: RtpPacket[] = []
const publishing = new MemoryWire({ rtpMode: true, mtu: MTU, srtpProfiles: [PROFILE] }, 0, (event) => {
  if (event.type === 'rtpPacket') received.push(event)
})
publishing.connect((change) => void change.addMedia('video', 'sendonly'))
const source = publishing.answerer
const publisher = publishing.offerer
const media = publisher.rtc.medias[0]!
const writer = media.rtpWriter()
const { pt } = media.codecs[0]!
const payload = makePayload()
let sequenceNumber = 0
let now = Math.max(publishing.now, ...subscriptions.map(({ wire }) => wire.now))
let incoming: { readonly now: number; readonly contents: Uint8Array }[] = []

/** Lets time pass for all, with keepalives and reports, delivers what was forwarded, and gets the next packets from the publisher. */
function prepare(): void {
  for (const { wire, outgoing } of subscriptions) {
    wire.now = now
    for (const contents of outgoing) wire.deliver(wire.answerer, contents)
    outgoing.length = 0
    wire.settle()
  }
  publishing.now = now
  publishing.settle()
  incoming = []
  for (let i = 0; i < packets; i++) {
    sequenceNumber = (sequenceNumber + 1) & 0xffff
    writer.write({ pt, sequenceNumber, timestamp: Math.round(now * 90) >>> 0, marker: true }, payload)
    for (
      let output = publisher.rtc.pollOutput();
      output.kind !== 'timeout';
      output = publisher.rtc.pollOutput()
    ) {
      if (output.kind === 'transmit') incoming.push({ now, contents: output.contents })
    }
    now += INTERVAL
  }
}

/** What is measured. */
function forwardAll(): void {
  for (const { now: at, contents } of incoming) {
    source.rtc.handleInput({
      kind: 'receive',
      now: at,
      proto: 'udp',
      source: publisher.address,
      destination: source.address,
      contents,
    })
    for (let output = source.rtc.pollOutput(); output.kind !== 'timeout'; output = source.rtc.pollOutput()) {
      if (output.kind === 'event' && output.event.type === 'rtpPacket') forwardPacket(output.event, at)
    }
  }
  expected += incoming.length * subscribers
}

function forwardPacket(packet: RtpPacket, at: number): void {
  for (const { forwarder, server, outgoing } of subscriptions) {
    server.handleInput({ kind: 'timeout', now: at })
    if (forwarder.selected !== packet.ssrc) forwarder.select(packet.ssrc)
    forwarder.forward(packet)
    for (let output = server.pollOutput(); output.kind !== 'timeout'; output = server.pollOutput()) {
      if (output.kind === 'transmit') outgoing.push(output.contents)
    }
  }
}

/** Our contexts alone, one for each subscriber, over buffers that are there. */
function protectAlone(): Contender {
  const { key, salt } = srtpKeyLengths(PROFILE)
  const contexts = subscriptions.map(
    () => new SrtpContext({ profile: PROFILE, masterKey: randomBytes(key), masterSalt: randomBytes(salt) }),
  )
  const buffers = Array.from({ length: packets * subscribers }, () =>
    makePacket(SSRC, contexts[0]!.rtpOverhead),
  )
  let number = 0
  return {
    name: 'protect',
    operations: buffers.length,
    prepare: () => {
      for (const [i, buffer] of buffers.entries()) {
        setSequenceNumber(buffer, (number + Math.floor(i / subscribers)) & 0xffff)
      }
      number += packets
    },
    run: () => {
      for (let i = 0; i < buffers.length; i++)
        contexts[i % subscribers]!.protectRtp(buffers[i]!, PACKET_LENGTH)
    },
  }
}

/** A cipher object of Node for each packet. */
function nodeCipher(): Contender {
  const keys = subscriptions.map(() => createSecretKey(randomBytes(16)))
  const iv = randomBytes(12)
  const header = randomBytes(HEADER_LENGTH)
  const operations = packets * subscribers
  return {
    name: 'node:crypto',
    operations,
    run: () => {
      for (let i = 0; i < operations; i++) {
        iv.writeUInt32BE(i, 8)
        const cipher = createCipheriv('aes-128-gcm', keys[i % subscribers]!, iv, { authTagLength: 16 })
        cipher.setAAD(header)
        cipher.update(payload)
        cipher.final()
        cipher.getAuthTag()
      }
    },
  }
}

/** The same, for what came in. */
function nodeDecipher(): Contender {
  const key = createSecretKey(randomBytes(16))
  const iv = randomBytes(12)
  const header = randomBytes(HEADER_LENGTH)
  const cipher = createCipheriv('aes-128-gcm', key, iv, { authTagLength: 16 })
  cipher.setAAD(header)
  const sealed = Buffer.concat([cipher.update(payload), cipher.final()])
  const tag = cipher.getAuthTag()
  const operations = Math.max(packets, UNPROTECTED)
  return {
    name: 'node:crypto, opening',
    operations,
    run: () => {
      for (let i = 0; i < operations; i++) {
        const decipher = createDecipheriv('aes-128-gcm', key, iv, { authTagLength: 16 })
        decipher.setAAD(header)
        decipher.setAuthTag(tag)
        decipher.update(sealed)
        decipher.final()
      }
    },
  }
}

for (let sent = 0; sent < FILLING; sent += packets) {
  prepare()
  forwardAll()
}
const engine: Contender = { name: 'engine', operations: packets * subscribers, prepare, run: forwardAll }
const { unprotect } = str0mSrtp(PROFILE, 'native', Math.max(packets, UNPROTECTED))
const times = runRounds(
  [engine, protectAlone(), nodeCipher(), { ...unprotect, name: 'unprotect' }, nodeDecipher()],
  { rounds, warmUp: WARM_UP },
)
prepare()
const { plain, cipher } = countBuffers(forwardAll)
prepare()
const forwarded = packets * subscribers
const result: ForwardEngineResult = {
  times,
  packetBuffers: (plain + cipher) / forwarded,
  cipherBuffers: cipher / forwarded,
  lost: 1 - arrived / expected,
}
finish(result)
