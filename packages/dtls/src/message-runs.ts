// What came of one handshake message, in pieces.

import { sameBytes } from './bytes.ts'
import type { HandshakeFragment } from './wire/handshake.ts'

/** About what a run takes beside its bytes. */
export const RUN_COST = 160

/** A run of bytes that is there. */
interface Run {
  offset: number
  bytes: Uint8Array
}

export interface MessageRuns {
  /** Of the whole body. */
  readonly length: number
  /** In order, apart from each other. */
  runs: Run[]
}

/** Bytes held, with what keeping each run of them costs. */
export function sizeOf({ runs }: MessageRuns): number {
  let size = 0
  for (const run of runs) size += RUN_COST + run.bytes.length
  return size
}

export function isWhole({ length, runs }: MessageRuns): boolean {
  return length === 0 || (runs.length === 1 && runs[0]!.bytes.length === length)
}

/**
 * Lays a fragment over what is there. Whether any byte is new or other than it was. Where the fragment is a whole message, what is there then is a
 * view of it.
 */
export function layOver(message: MessageRuns, { offset, body }: HandshakeFragment): boolean {
  if (body.length === 0) return false
  const end = offset + body.length
  const { runs } = message
  let first = 0
  while (first < runs.length && runs[first]!.offset + runs[first]!.bytes.length < offset) first++
  let last = first
  while (last < runs.length && runs[last]!.offset <= end) last++
  const touched = runs.slice(first, last)
  const only = touched[0]
  if (touched.length === 1 && only!.offset <= offset && only!.offset + only!.bytes.length >= end) {
    const at = offset - only!.offset
    if (sameBytes(only!.bytes.subarray(at, at + body.length), body)) return false
  }
  if (body.length === message.length) {
    // it is the whole message, of which the caller takes a copy
    message.runs = [{ offset, bytes: body }]
    return true
  }
  const tail = touched.at(-1)
  const from = only === undefined ? offset : Math.min(offset, only.offset)
  const to = tail === undefined ? end : Math.max(end, tail.offset + tail.bytes.length)
  const bytes = new Uint8Array(to - from)
  for (const run of touched) bytes.set(run.bytes, run.offset - from)
  bytes.set(body, offset - from)
  runs.splice(first, last - first, { offset: from, bytes })
  return true
}
