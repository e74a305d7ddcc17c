import { type Instant, readU32, SeededRandom } from '@str0m/sans-io'
import { SctpAssociation, type SctpState } from '@str0m/sctp'
import { ChunkType, COMMON_HEADER } from '../../../../packages/sctp/src/wire/constants.ts'
import { type Init, readInit, writeInit } from '../../../../packages/sctp/src/wire/init.ts'
import { makeChunk, PacketWriter } from '../../../../packages/sctp/src/wire/packet.ts'
import { writeResetRequest, writeResetResponse } from '../../../../packages/sctp/src/wire/reconfig.ts'
import { TlvIterator } from '../../../../packages/sctp/src/wire/tlv.ts'
import { check, drain, unlessRefused, wake } from '../check.ts'
import { fuzzCrypto } from '../crypto.ts'
import { counted, FuzzInput, program, runProgram } from '../input.ts'

// An association in each of its states, and a peer that has the right tag and makes right checksums. TSNs are given as distances, so that they hit.

const WINDOW = 65_536
const OPTIONS = { receiveWindow: WINDOW, maxMessageSize: WINDOW }
const PEER_TAG = 0x1234_5678
/** What one packet may lead to: a window of data, and answers. */
const MAX_OUTPUT = 400
const MAX_OPS = 150
const EMPTY = new Uint8Array(0)

const STATES: readonly SctpState[] = [
  'closed',
  'cookieWait',
  'cookieEchoed',
  'established',
  'shutdownPending',
  'shutdownSent',
  'shutdownReceived',
  'shutdownAckSent',
]

function packetOf(tag: number, ...chunks: readonly Uint8Array[]): Uint8Array {
  const writer = new PacketWriter(65_000, { sourcePort: 5000, destinationPort: 5000, verificationTag: tag })
  for (const chunk of chunks) writer.append(chunk)
  return writer.finish(true)
}

class World {
  readonly machine: SctpAssociation = new SctpAssociation({ crypto: fuzzCrypto(1), ...OPTIONS })
  readonly #input: FuzzInput
  #tag = 0
  /** The first TSN of the machine's, and of ours. */
  #theirs = 0
  readonly #ours: number
  #cookie: Uint8Array = EMPTY
  readonly #interleaving: boolean
  #now: Instant = 0
  #at: Instant = 0

  constructor(input: FuzzInput) {
    this.#input = input
    const state = input.pick(STATES)
    const flags = input.u8()
    this.#interleaving = (flags & 1) !== 0
    this.#ours = (flags & 2) === 0 ? 1 : 0xffff_fff0
    if (state !== 'closed') this.#enter(state, (flags & 4) !== 0)
    check(this.machine.state === state, `the state is ${this.machine.state}, not ${state}`)
  }

  #init(change: Partial<Init> = {}): Uint8Array {
    return writeInit({
      initiateTag: PEER_TAG,
      receiverWindow: 1 << 20,
      outboundStreams: 100,
      inboundStreams: 100,
      initialTsn: this.#ours,
      extensions: { forwardTsn: true, reConfig: true, zeroChecksum: false, interleaving: this.#interleaving },
      unrecognized: [],
      ...change,
    })
  }

  #enter(state: SctpState, hasData: boolean): void {
    const { machine } = this
    if (state === 'cookieWait' || state === 'cookieEchoed') {
      machine.connect(0)
      const [first] = drain(machine).transmits
      const chunks = new TlvIterator(first!.contents, COMMON_HEADER, first!.contents.length)
      chunks.next()
      this.#tag = readU32(chunks.value(), 0)
      this.#theirs = readU32(chunks.value(), 12)
      if (state === 'cookieEchoed') {
        this.#receive(
          packetOf(this.#tag, makeChunk(ChunkType.initAck, 0, this.#init({ cookie: Uint8Array.of(1, 2) }))),
        )
      }
      return
    }
    const [answer] = this.#receive(packetOf(0, makeChunk(ChunkType.init, 0, this.#init())))
    const chunks = new TlvIterator(answer!, COMMON_HEADER, answer!.length)
    chunks.next()
    const initAck = readInit(chunks)!
    this.#tag = initAck.initiateTag
    this.#theirs = initAck.initialTsn
    this.#cookie = initAck.cookie!
    this.#receive(packetOf(this.#tag, makeChunk(ChunkType.cookieEcho, 0, this.#cookie)))
    const needsData = state === 'shutdownPending' || state === 'shutdownReceived'
    if (needsData || (hasData && state === 'established')) {
      machine.send(0, 1, 53, new Uint8Array(9000), { maxRetransmits: 0 })
      machine.send(0, 2, 53, new Uint8Array(9000))
    }
    if (state === 'shutdownPending' || state === 'shutdownSent') machine.shutdown(0)
    this.#drain()
    if (state === 'shutdownReceived' || state === 'shutdownAckSent') {
      const cumulative = new Uint8Array(4)
      new DataView(cumulative.buffer).setUint32(0, this.#theirs - 1)
      this.#receive(packetOf(this.#tag, makeChunk(ChunkType.shutdown, 0, cumulative)))
    }
  }

  #drain(): Uint8Array[] {
    const { transmits, events, at } = drain(this.machine)
    check(transmits.length + events.length <= MAX_OUTPUT, `${transmits.length} packets for one`)
    for (const { contents } of transmits) check(contents.length <= 1200, 'a packet has its bound')
    this.#at = at
    const { heldBytes } = this.machine.statistics
    check(heldBytes <= 2 * WINDOW, `${heldBytes} bytes are held`)
    return transmits.map(({ contents }) => contents)
  }

  #receive(contents: Uint8Array): Uint8Array[] {
    this.machine.handleInput({ kind: 'receive', now: this.#now, contents })
    return this.#drain()
  }

  step(): void {
    const input = this.#input
    const op = input.below(16)
    if (op < 11) {
      const chunks: Uint8Array[] = []
      for (let i = op & 3; i >= 0; i--) chunks.push(this.#chunk())
      this.#receive(packetOf((input.u8() & 31) === 31 ? input.u32() : this.#tag, ...chunks))
    } else if (op === 11) this.#receive(input.bytes())
    else if (op === 12) this.#wake(Number.isFinite(this.#at) ? Math.max(this.#now, this.#at) : this.#now)
    else if (op === 13) this.#wake(this.#now + input.u16())
    else {
      this.#user()
      this.#drain()
    }
  }

  #wake(now: Instant): void {
    this.#now = now
    const { transmits, events, at } = wake(this.machine, now)
    check(transmits.length + events.length <= MAX_OUTPUT, `${transmits.length} packets at one time`)
    this.#at = at
  }

  #user(): void {
    const { machine } = this
    const input = this.#input
    const now = this.#now
    switch (input.below(8)) {
      case 0:
        unlessRefused(() => machine.shutdown(now))
        break
      case 1:
        if (input.below(4) === 0) unlessRefused(() => machine.abort(now, 'x'))
        break
      case 2:
        unlessRefused(() => machine.resetStream(now, input.below(4)))
        break
      case 3:
        unlessRefused(() => machine.connect(now))
        break
      default: {
        const stream = input.below(4)
        const data = new Uint8Array(1 + (input.u16() % 5000))
        const limits = input.pick([{}, { maxRetransmits: 0 }, { lifetime: 100 }, { unordered: true }])
        unlessRefused(() => machine.send(now, stream, 53, data, limits))
      }
    }
  }

  /** A TSN near ours. */
  #tsn(): number {
    return (this.#ours + ((this.#input.u8() << 24) >> 24)) >>> 0
  }

  /** One of the machine's. */
  #theirTsn(): number {
    return (this.#theirs + ((this.#input.u8() << 24) >> 24)) >>> 0
  }

  #chunk(): Uint8Array {
    const input = this.#input
    const value = new Value()
    const kind = input.below(18)
    const flags = input.u8()
    switch (kind) {
      case 0:
      case 1:
        value.u32(this.#tsn()).u16(input.below(8)).u16(input.u8()).u32(53).bytes(input.bytes())
        return makeChunk(ChunkType.data, flags, value.finish())
      case 2:
      case 3:
        value.u32(this.#tsn()).u16(input.below(8)).u16(0).u32(input.u8()).u32(input.u8()).bytes(input.bytes())
        return makeChunk(ChunkType.iData, flags, value.finish())
      case 4:
      case 5: {
        value.u32(this.#theirTsn()).u32(input.u16())
        const gaps = input.bytes()
        value.u16(Math.floor(gaps.length / 2) + (flags & 1)).u16(input.below(3))
        for (let i = 0; i + 1 < gaps.length; i += 2) value.u16(gaps[i]!).u16(gaps[i + 1]!)
        return makeChunk(ChunkType.sack, 0, value.finish())
      }
      case 6:
        return makeChunk(ChunkType.forwardTsn, flags, value.u32(this.#tsn()).bytes(input.bytes()).finish())
      case 7:
        return makeChunk(ChunkType.iForwardTsn, flags, value.u32(this.#tsn()).bytes(input.bytes()).finish())
      case 8:
        return writeResetRequest({
          requestNumber: this.#tsn(),
          responseNumber: this.#theirTsn(),
          lastTsn: this.#tsn(),
          streams: [...input.bytes()],
        })
      case 9:
        return writeResetResponse({ responseNumber: this.#theirTsn(), result: flags % 8 })
      case 10: {
        const init = this.#init({
          ...((flags & 1) === 0 ? {} : { cookie: input.bytes() }),
          ...((flags & 2) === 0 ? {} : { initiateTag: input.u32() }),
          ...((flags & 4) === 0 ? {} : { initialTsn: input.u32() }),
          ...((flags & 8) === 0 ? {} : { outboundStreams: input.u8(), inboundStreams: input.u8() }),
          ...((flags & 16) === 0 ? {} : { receiverWindow: input.u16() }),
        })
        return makeChunk((flags & 32) === 0 ? ChunkType.init : ChunkType.initAck, 0, init)
      }
      case 11: {
        const cookie = this.#cookie.slice()
        if (cookie.length > 0 && (flags & 1) !== 0) cookie[input.u8() % cookie.length]! ^= input.u8()
        return makeChunk(ChunkType.cookieEcho, 0, cookie)
      }
      case 12:
        return makeChunk((flags & 1) === 0 ? ChunkType.heartbeat : ChunkType.heartbeatAck, 0, input.bytes())
      case 13:
        return makeChunk(ChunkType.shutdown, flags, value.u32(this.#theirTsn()).finish())
      case 14: {
        const types = [
          ChunkType.shutdownAck,
          ChunkType.shutdownComplete,
          ChunkType.cookieAck,
          ChunkType.abort,
        ]
        return makeChunk(types[flags & 3]!, flags >> 7, EMPTY)
      }
      case 15:
        return makeChunk(ChunkType.error, 0, input.bytes())
      case 16:
        return makeChunk(ChunkType.reConfig, flags, input.bytes())
      default:
        return makeChunk(flags, input.u8(), input.bytes())
    }
  }

  finish(): void {
    // a peer that says nothing more is given up, or waited for with heartbeats that end
    for (let rounds = 0; Number.isFinite(this.#at) && rounds < 400; rounds++) {
      this.#wake(Math.max(this.#now, this.#at))
      if (this.machine.state === 'closed') break
    }
    const isOver = this.machine.state === 'closed' || !Number.isFinite(this.#at)
    check(isOver, `a silent peer is given up: ${this.machine.state} at ${this.#now}`)
  }
}

class Value {
  readonly #bytes: number[] = []

  u16(value: number): this {
    this.#bytes.push((value >> 8) & 0xff, value & 0xff)
    return this
  }

  u32(value: number): this {
    return this.u16(value >>> 16).u16(value & 0xffff)
  }

  bytes(bytes: Uint8Array): this {
    this.#bytes.push(...bytes)
    return this
  }

  finish(): Uint8Array {
    return Uint8Array.from(this.#bytes)
  }
}

export function fuzz(data: Uint8Array): void {
  const input = new FuzzInput(data)
  runProgram(input, new World(input), MAX_OPS)
}

export function seeds(): Uint8Array[] {
  const chunks: (readonly (number | Uint8Array)[])[] = [
    [0, 3, 0, 1, 0, counted(new Uint8Array(30))],
    [0, 2, 1, 1, 1, counted(new Uint8Array(9))],
    [0, 1, 2, 1, 1, counted(new Uint8Array(9))],
    [2, 2, 0, 1, 0, 53, counted(new Uint8Array(20))],
    [2, 1, 1, 1, 0, 1, counted(new Uint8Array(20))],
    [4, 0, 3, 0xff, 0xff, counted(Uint8Array.of(2, 3, 5, 5)), 0],
    [4, 0, 0xff, 0, 0, counted(Uint8Array.of(3, 4)), 0],
    [6, 0, 5, counted(Uint8Array.of(0, 1, 0, 0))],
    [7, 0, 5, counted(Uint8Array.of(0, 1, 0, 0, 0, 0, 0, 0))],
    [8, 0, 0, 0, 3, counted(Uint8Array.of(0, 1))],
    [9, 1, 0],
    [10, 0],
    [10, 33, counted(new Uint8Array(20))],
    [11, 0],
    [12, 0, counted(Uint8Array.of(0, 1, 0, 8, 1, 2, 3, 4))],
    [13, 0, 0xff],
    [14, 0],
    [14, 1],
    [14, 2],
    [15, 0, counted(Uint8Array.of(0, 3, 0, 8, 0, 0, 0, 0))],
    [17, 0xc1, 0, counted(new Uint8Array(4))],
  ]
  const random = new SeededRandom(1)
  return STATES.flatMap((_, state) =>
    [0, 1, 4, 7].map((flags) => {
      const parts: (number | Uint8Array)[] = [state, flags]
      for (const chunk of chunks)
        if (random.chance(0.6)) parts.push(0, ...chunk, 0, ...(random.chance(0.2) ? [12] : []))
      return program(...parts)
    }),
  ).concat([program(3, 4, 14, 5, 1, 4, 0, 0, 14, 2, 1, 12, 12, 13, 1, 0, 12, 14, 0, 12)])
}
