import { serial16, serial32, writeU16, writeU32 } from '@str0m/sans-io'
import type { OutgoingMessage } from './outgoing.ts'
import type { Outstanding, SentChunk } from './outstanding.ts'
import {
  ChunkType,
  DATA_HEADER,
  DataFlag,
  FORWARD_UNORDERED,
  I_DATA_HEADER,
  TLV_HEADER,
} from './wire/constants.ts'
import type { PacketWriter } from './wire/packet.ts'

/** RFC 9260 section 6.5; RFC 8260 section 2.1: unordered messages have a count of their own. */
export function numberMessage(message: OutgoingMessage, interleaving: boolean): void {
  const { stream } = message
  if (interleaving) {
    if (message.unordered) {
      message.sequence = stream.nextUnordered
      stream.nextUnordered = serial32.add(stream.nextUnordered, 1)
    } else {
      message.sequence = stream.nextSequence
      stream.nextSequence = serial32.add(stream.nextSequence, 1)
    }
  } else if (!message.unordered) {
    message.sequence = stream.nextSequence
    stream.nextSequence = serial16.add(stream.nextSequence, 1)
  }
}

/** Writes a chunk that is sent, for the first time or again: DATA, or I-DATA (RFC 8260 section 2.1). */
export function writeDataChunk(writer: PacketWriter, chunk: SentChunk, interleaving: boolean): void {
  const message = chunk.message!
  const flags = chunk.sends > 0 ? chunk.flags | DataFlag.immediate : chunk.flags
  const { length } = chunk
  const header = (interleaving ? I_DATA_HEADER : DATA_HEADER) - TLV_HEADER
  const type = interleaving ? ChunkType.iData : ChunkType.data
  const at = writer.chunk(type, flags, header + length)
  const { bytes } = writer
  writeU32(bytes, at, chunk.tsn)
  writeU16(bytes, at + 4, message.stream.id)
  if (interleaving) {
    writeU32(bytes, at + 8, message.sequence)
    writeU32(bytes, at + 12, chunk.fragment === 0 ? message.ppid : chunk.fragment)
  } else {
    writeU16(bytes, at + 6, message.sequence)
    writeU32(bytes, at + 8, message.ppid)
  }
  const { data } = message
  // the one copy on the way out
  bytes.set(length === data.length ? data : data.subarray(chunk.offset, chunk.offset + length), at + header)
}

/** FORWARD TSN, or I-FORWARD-TSN (RFC 8260 section 2.3.1): the last message of each stream that is skipped. As much as fits; answers up to which TSN. */
export function writeForwardTsn(
  writer: PacketWriter,
  outstanding: Outstanding,
  advancedTsn: number,
  interleaving: boolean,
): number | undefined {
  const entrySize = interleaving ? 8 : 4
  const maxEntries = Math.floor((writer.room - 4) / entrySize)
  if (maxEntries < 1) return undefined
  /** By stream, and its order. */
  const skipped = new Map<number, number>()
  let to = outstanding.ackedTsn
  for (; to < advancedTsn; to++) {
    const { unordered, stream, sequence } = outstanding.at(to + 1).message!
    if (unordered && !interleaving) continue
    const key = stream.id * 2 + (unordered ? 1 : 0)
    const known = skipped.get(key)
    if (known === undefined && skipped.size === maxEntries) break
    if (known === undefined || !interleaving || serial32.lessThan(known, sequence)) skipped.set(key, sequence)
  }
  const type = interleaving ? ChunkType.iForwardTsn : ChunkType.forwardTsn
  const at = writer.chunk(type, 0, 4 + entrySize * skipped.size)
  const { bytes } = writer
  writeU32(bytes, at, to)
  let entry = at + 4
  for (const [key, sequence] of skipped) {
    writeU16(bytes, entry, key >>> 1)
    if (interleaving) {
      writeU16(bytes, entry + 2, (key & 1) === 1 ? FORWARD_UNORDERED : 0)
      writeU32(bytes, entry + 4, sequence)
    } else {
      writeU16(bytes, entry + 2, sequence)
    }
    entry += entrySize
  }
  return to
}
