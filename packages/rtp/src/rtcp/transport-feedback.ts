import { type ByteReader, type ByteWriter, UsageError } from '@str0m/sans-io'
import type { TransportFeedback } from './rtcp.ts'

// draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1: a header, packet chunks of 16 bits that hold a symbol for each
// packet, then a delta of 8 or 16 bits for each packet that was received.

const NOT_RECEIVED = 0
const SMALL_DELTA = 1
const LARGE_DELTA = 2
/** The number of symbols in one vector chunk. */
const ONE_BIT_SYMBOLS = 14
const TWO_BIT_SYMBOLS = 7
const MAX_RUN_LENGTH = 0x1fff
/** Most packets that one feedback may speak of: sixteen bytes could claim 65535. At one each 50 ms, they are 160,000 a second. */
export const MAX_FEEDBACK_PACKETS = 0x2000

export function parseTransportFeedback(reader: ByteReader): TransportFeedback | undefined {
  const senderSsrc = reader.u32()
  const mediaSsrc = reader.u32()
  const baseSequence = reader.u16()
  const count = reader.u16()
  const referenceTime = (reader.u24() << 8) >> 8
  const feedbackCount = reader.u8()
  if (count > MAX_FEEDBACK_PACKETS) return undefined
  const symbols = readSymbols(reader, count)
  if (symbols === undefined) return undefined
  const deltas: (number | undefined)[] = []
  for (const symbol of symbols) {
    if (symbol === SMALL_DELTA) deltas.push(reader.u8())
    else if (symbol === LARGE_DELTA) deltas.push((reader.u16() << 16) >> 16)
    else deltas.push(undefined)
    if (reader.failed) return undefined
  }
  return {
    type: 'transportFeedback',
    senderSsrc,
    mediaSsrc,
    baseSequence,
    referenceTime,
    feedbackCount,
    deltas,
  }
}

/** Each chunk yields at least one symbol, and at most `count` are taken: both are bounded by the bytes. */
function readSymbols(reader: ByteReader, count: number): Uint8Array | undefined {
  const symbols = new Uint8Array(count)
  let filled = 0
  while (filled < count) {
    const chunk = reader.u16()
    if (reader.failed) return undefined
    if ((chunk & 0x8000) === 0) {
      const run = Math.min(chunk & MAX_RUN_LENGTH, count - filled)
      if (run === 0) return undefined
      symbols.fill((chunk >> 13) & 0x03, filled, filled + run)
      filled += run
    } else if ((chunk & 0x4000) === 0) {
      for (let i = ONE_BIT_SYMBOLS - 1; i >= 0 && filled < count; i--) {
        symbols[filled++] = (chunk >> i) & 0x01
      }
    } else {
      for (let i = TWO_BIT_SYMBOLS - 1; i >= 0 && filled < count; i--) {
        symbols[filled++] = (chunk >> (2 * i)) & 0x03
      }
    }
  }
  return symbols
}

export function writeTransportFeedback(writer: ByteWriter, feedback: TransportFeedback): void {
  const { deltas } = feedback
  if (
    deltas.length > MAX_FEEDBACK_PACKETS ||
    deltas.some((delta) => delta !== undefined && !isDelta(delta))
  ) {
    throw new UsageError(
      'invalid-rtcp',
      `Feedback is on up to ${MAX_FEEDBACK_PACKETS} packets, with deltas that are integers of 16 bits`,
    )
  }
  writer.u32(feedback.senderSsrc).u32(feedback.mediaSsrc)
  writer.u16(feedback.baseSequence).u16(deltas.length)
  writer.u24(feedback.referenceTime & 0xff_ffff).u8(feedback.feedbackCount)
  writeSymbols(writer, deltas)
  for (const delta of deltas) {
    const symbol = symbolOf(delta)
    if (symbol === SMALL_DELTA) writer.u8(delta!)
    else if (symbol === LARGE_DELTA) writer.u16(delta! & 0xffff)
  }
}

function isDelta(delta: number): boolean {
  return Number.isInteger(delta) && delta >= -0x8000 && delta <= 0x7fff
}

function symbolOf(delta: number | undefined): number {
  if (delta === undefined) return NOT_RECEIVED
  return delta >= 0 && delta <= 0xff ? SMALL_DELTA : LARGE_DELTA
}

/** A run where it is longer than a vector would hold, else a vector of what comes next. */
function writeSymbols(writer: ByteWriter, deltas: readonly (number | undefined)[]): void {
  let at = 0
  while (at < deltas.length) {
    const symbol = symbolOf(deltas[at])
    let run = 1
    while (run < MAX_RUN_LENGTH && at + run < deltas.length && symbolOf(deltas[at + run]) === symbol) run++
    let oneBit = true
    for (let i = at; i < at + ONE_BIT_SYMBOLS && i < deltas.length; i++) {
      if (symbolOf(deltas[i]) === LARGE_DELTA) oneBit = false
    }
    const vector = oneBit ? ONE_BIT_SYMBOLS : TWO_BIT_SYMBOLS
    if (run >= vector || at + run === deltas.length) {
      writer.u16((symbol << 13) | run)
      at += run
      continue
    }
    const bits = oneBit ? 1 : 2
    let chunk = oneBit ? 0x8000 : 0xc000
    for (let i = 0; i < vector; i++) {
      const next = at + i < deltas.length ? symbolOf(deltas[at + i]) : NOT_RECEIVED
      chunk |= next << (bits * (vector - 1 - i))
    }
    writer.u16(chunk)
    at += vector
  }
}
