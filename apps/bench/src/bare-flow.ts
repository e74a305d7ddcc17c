// The floor under messages and packets: a one-shot AES-128-GCM of node:crypto for each datagram on either side, a buffer for it, and the socket. No
// association, no stream, no header extensions, nothing that is sent again.
import { createCipheriv, createDecipheriv, createSecretKey } from 'node:crypto'
import { PACKET_LENGTH } from './packets.ts'
import { type Flow, HIGH_WATER, LOW_WATER } from './stack.ts'

/** First bytes of datagrams. */
export const PACKET = 210
const SEGMENT = 211
const LAST_SEGMENT = 212
export const ACKNOWLEDGEMENT = 213

const TAG_LENGTH = 16
/** The kind, three zeros, and a number that counts the datagrams. */
const HEADER_LENGTH = 12
const ALGORITHM = 'aes-128-gcm'
/** The same on both sides, and of no worth. */
const KEY = createSecretKey(new Uint8Array(16).fill(1))
/** Bytes of a message in one datagram. */
const SEGMENT_LENGTH = PACKET_LENGTH - HEADER_LENGTH - TAG_LENGTH
/** Datagrams under way: what a socket holds for a receiver that is busy. */
const WINDOW = 256
/** RFC 9260 section 6.2: at least every second one is acknowledged. */
const ACKNOWLEDGED_EACH = 2

function seal(kind: number, number: number, payload: Uint8Array): Uint8Array {
  const packet = new Uint8Array(HEADER_LENGTH + payload.length + TAG_LENGTH)
  const header = packet.subarray(0, HEADER_LENGTH)
  header[0] = kind
  new DataView(packet.buffer).setUint32(8, number)
  const cipher = createCipheriv(ALGORITHM, KEY, header, { authTagLength: TAG_LENGTH })
  cipher.setAAD(header)
  packet.set(cipher.update(payload), HEADER_LENGTH)
  cipher.final()
  packet.set(cipher.getAuthTag(), HEADER_LENGTH + payload.length)
  return packet
}

function open(packet: Uint8Array): Uint8Array {
  const header = packet.subarray(0, HEADER_LENGTH)
  const decipher = createDecipheriv(ALGORITHM, KEY, header, { authTagLength: TAG_LENGTH })
  decipher.setAAD(header)
  decipher.setAuthTag(packet.subarray(packet.length - TAG_LENGTH))
  const payload = decipher.update(packet.subarray(HEADER_LENGTH, packet.length - TAG_LENGTH))
  decipher.final()
  return payload
}

/** What goes by a connection, on both sides of it. */
export class BareFlow {
  /** Set where packets are forwarded. */
  onPacket: ((payload: Uint8Array) => void) | undefined
  readonly #send: (contents: Uint8Array) => void
  readonly #onReceived: (length: number) => void
  #number = 0
  /** Pieces of messages that wait, and their bytes. */
  #pieces: { readonly bytes: Uint8Array; readonly last: boolean }[] = []
  #buffered = 0
  #acknowledged = 0
  #received = 0
  #acknowledgesLater = false
  /** Of the message that is coming in. */
  #parts: Uint8Array[] = []
  #writable: (() => void) | undefined

  constructor(send: (contents: Uint8Array) => void, onReceived: (length: number) => void) {
    this.#send = send
    this.#onReceived = onReceived
  }

  get packets(): Flow {
    return {
      send: (payload) => {
        this.#send(seal(PACKET, this.#number++, payload))
        return true
      },
      flush: () => {},
      onceWritable: () => {},
    }
  }

  get messages(): Flow {
    return {
      send: (message) => {
        if (this.#buffered >= HIGH_WATER) return false
        for (let at = 0; at < message.length; at += SEGMENT_LENGTH) {
          const end = Math.min(message.length, at + SEGMENT_LENGTH)
          this.#pieces.push({ bytes: message.subarray(at, end), last: end === message.length })
        }
        this.#buffered += message.length
        return true
      },
      flush: () => this.#sendPieces(),
      onceWritable: (callback) => {
        this.#writable = callback
      },
    }
  }

  handle(contents: Uint8Array): void {
    const kind = contents[0]
    if (kind === ACKNOWLEDGEMENT) {
      this.#acknowledged = new DataView(contents.buffer, contents.byteOffset).getUint32(8)
      this.#sendPieces()
      return
    }
    const payload = open(contents)
    if (kind === PACKET) {
      this.#onReceived(payload.length)
      this.onPacket?.(payload)
      return
    }
    this.#parts.push(payload)
    if (kind === LAST_SEGMENT) this.#takeMessage()
    if (++this.#received % ACKNOWLEDGED_EACH === 0) this.#acknowledge()
    else this.#acknowledgeLater()
  }

  /** The last one of many is not one of two. */
  #acknowledgeLater(): void {
    if (this.#acknowledgesLater) return
    this.#acknowledgesLater = true
    setImmediate(() => {
      this.#acknowledgesLater = false
      if (this.#received % ACKNOWLEDGED_EACH !== 0) this.#acknowledge()
    })
  }

  #acknowledge(): void {
    const contents = new Uint8Array(HEADER_LENGTH + TAG_LENGTH)
    contents[0] = ACKNOWLEDGEMENT
    new DataView(contents.buffer).setUint32(8, this.#received)
    this.#send(contents)
  }

  #takeMessage(): void {
    const length = this.#parts.reduce((sum, part) => sum + part.length, 0)
    const message = new Uint8Array(length)
    let at = 0
    for (const part of this.#parts) {
      message.set(part, at)
      at += part.length
    }
    this.#parts = []
    this.#onReceived(length)
  }

  #sendPieces(): void {
    let taken = 0
    while (taken < this.#pieces.length && this.#number - this.#acknowledged < WINDOW) {
      const { bytes, last } = this.#pieces[taken++]!
      this.#buffered -= bytes.length
      this.#send(seal(last ? LAST_SEGMENT : SEGMENT, this.#number++, bytes))
    }
    this.#pieces.splice(0, taken)
    if (this.#buffered > LOW_WATER || this.#writable === undefined) return
    const writable = this.#writable
    this.#writable = undefined
    writable()
  }
}
