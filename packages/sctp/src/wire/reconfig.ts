import { ByteWriter, readU16, readU32 } from '@str0m/sans-io'
import { ChunkType, ParameterType } from './constants.ts'
import { joinPadded, makeChunk, makeParameter } from './packet.ts'
import type { TlvIterator } from './tlv.ts'

/** Results of a re-configuration request, RFC 6525 section 4.4. */
export const ResetResult = {
  nothingToDo: 0,
  performed: 1,
  denied: 2,
  wrongSsn: 3,
  alreadyInProgress: 4,
  badSequenceNumber: 5,
  inProgress: 6,
} as const

/** An Outgoing SSN Reset Request, RFC 6525 section 4.1. */
export interface OutgoingResetRequest {
  readonly requestNumber: number
  readonly responseNumber: number
  readonly lastTsn: number
  /** None: all. */
  readonly streams: readonly number[]
}

export interface ResetResponse {
  readonly responseNumber: number
  readonly result: number
}

/** A RE-CONFIG chunk that carries `request`. */
export function writeResetRequest(request: OutgoingResetRequest): Uint8Array {
  const value = new ByteWriter(12 + 2 * request.streams.length)
    .u32(request.requestNumber)
    .u32(request.responseNumber)
    .u32(request.lastTsn)
  for (const stream of request.streams) value.u16(stream)
  return reConfig(makeParameter(ParameterType.outgoingResetRequest, value.finish()))
}

/** A RE-CONFIG chunk that carries `response`. */
export function writeResetResponse(response: ResetResponse): Uint8Array {
  const value = new ByteWriter(8).u32(response.responseNumber).u32(response.result).finish()
  return reConfig(makeParameter(ParameterType.reconfigurationResponse, value))
}

function reConfig(parameter: Uint8Array): Uint8Array {
  return makeChunk(ChunkType.reConfig, 0, joinPadded([parameter]))
}

/** Reads the parameter that `at` stands at. `undefined` where it is too short. */
export function readResetRequest(at: TlvIterator): OutgoingResetRequest | undefined {
  if (at.length < 12) return undefined
  const streams: number[] = []
  for (let i = at.valueStart + 12; i + 2 <= at.valueEnd; i += 2) streams.push(readU16(at.bytes, i))
  return {
    requestNumber: readU32(at.bytes, at.valueStart),
    responseNumber: readU32(at.bytes, at.valueStart + 4),
    lastTsn: readU32(at.bytes, at.valueStart + 8),
    streams,
  }
}

/** The number of a request of any kind. `undefined` where the parameter is too short. */
export function readRequestNumber(at: TlvIterator): number | undefined {
  return at.length < 4 ? undefined : readU32(at.bytes, at.valueStart)
}

/** Reads the parameter that `at` stands at. `undefined` where it is too short. */
export function readResetResponse(at: TlvIterator): ResetResponse | undefined {
  if (at.length < 8) return undefined
  return {
    responseNumber: readU32(at.bytes, at.valueStart),
    result: readU32(at.bytes, at.valueStart + 4),
  }
}
