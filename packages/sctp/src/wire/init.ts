import { ByteWriter, readU16, readU32 } from '@str0m/sans-io'
import { CauseCode, ChunkType, EDMID_DTLS, ParameterType, unknownType } from './constants.ts'
import { joinPadded, makeParameter } from './packet.ts'
import type { TlvIterator } from './tlv.ts'

/** Bytes of an INIT before its parameters. */
const INIT_FIXED = 16
/** Unknown parameters that are reported, at most, and bytes of each. */
const MAX_REPORTED = 8
const MAX_REPORTED_BYTES = 32

/** What an INIT or INIT ACK says, RFC 9260 sections 3.3.2 and 3.3.3. */
export interface Init {
  readonly initiateTag: number
  /** The advertised receiver window, bytes. */
  readonly receiverWindow: number
  readonly outboundStreams: number
  readonly inboundStreams: number
  readonly initialTsn: number
  readonly extensions: Extensions
  /** Of an INIT ACK alone. */
  readonly cookie?: Uint8Array
  /** The error cause that it is refused with: no streams (section 3.3.2), or a host name (section 3.3.2.1.4). */
  readonly refusal?: number
  /** Parameters not known that are to be reported (section 3.2.1), whole. */
  readonly unrecognized: readonly Uint8Array[]
}

/** Extensions that an endpoint announces. */
export interface Extensions {
  /** Partial reliability, RFC 3758. */
  readonly forwardTsn: boolean
  /** Stream reconfiguration, RFC 6525. */
  readonly reConfig: boolean
  /** Packets without checksum are taken, RFC 9653, given DTLS below. */
  readonly zeroChecksum: boolean
  /** I-DATA in place of DATA, RFC 8260. */
  readonly interleaving: boolean
}

/** The value of an INIT, or of an INIT ACK where it has a cookie. */
export function writeInit(init: Init): Uint8Array {
  const fixed = new ByteWriter(INIT_FIXED)
    .u32(init.initiateTag)
    .u32(init.receiverWindow)
    .u16(init.outboundStreams)
    .u16(init.inboundStreams)
    .u32(init.initialTsn)
    .finish()
  const { forwardTsn, reConfig, zeroChecksum, interleaving } = init.extensions
  const parts = [fixed]
  if (init.cookie !== undefined) parts.push(makeParameter(ParameterType.stateCookie, init.cookie))
  const chunks: number[] = []
  if (reConfig) chunks.push(ChunkType.reConfig)
  if (forwardTsn) {
    chunks.push(ChunkType.forwardTsn)
    parts.push(makeParameter(ParameterType.forwardTsnSupported, new Uint8Array(0)))
  }
  if (interleaving) {
    chunks.push(ChunkType.iData)
    if (forwardTsn) chunks.push(ChunkType.iForwardTsn)
  }
  if (chunks.length > 0) parts.push(makeParameter(ParameterType.supportedExtensions, Uint8Array.from(chunks)))
  if (zeroChecksum) {
    parts.push(makeParameter(ParameterType.zeroChecksum, new ByteWriter(4).u32(EDMID_DTLS).finish()))
  }
  for (const parameter of init.unrecognized) {
    parts.push(makeParameter(ParameterType.unrecognizedParameter, parameter))
  }
  return joinPadded(parts)
}

/** Reads the INIT or INIT ACK that `chunk` stands at. `undefined` where it is malformed or has a value that none may have. */
export function readInit(chunk: TlvIterator): Init | undefined {
  if (chunk.length < INIT_FIXED) return undefined
  const { bytes, valueStart: at } = chunk
  const initiateTag = readU32(bytes, at)
  const outboundStreams = readU16(bytes, at + 8)
  const inboundStreams = readU16(bytes, at + 10)
  // RFC 9260 section 3.3.2: discarded silently
  if (initiateTag === 0) return undefined
  let cookie: Uint8Array | undefined
  const hasStreams = outboundStreams > 0 && inboundStreams > 0
  let refusal: number | undefined = hasStreams ? undefined : CauseCode.invalidMandatoryParameter
  let forwardTsn = false
  let reConfig = false
  let zeroChecksum = false
  let interleaving = false
  const unrecognized: Uint8Array[] = []
  const parameters = chunk.parameters(INIT_FIXED)
  if (!parameters.check()) return undefined
  walk: while (parameters.next()) {
    switch (parameters.head) {
      case ParameterType.stateCookie:
        cookie = parameters.value().slice()
        break
      case ParameterType.forwardTsnSupported:
        forwardTsn = true
        break
      case ParameterType.supportedExtensions:
        for (let i = parameters.valueStart; i < parameters.valueEnd; i++) {
          if (bytes[i] === ChunkType.reConfig) reConfig = true
          if (bytes[i] === ChunkType.iData) interleaving = true
          if (bytes[i] === ChunkType.forwardTsn) forwardTsn = true
        }
        break
      case ParameterType.zeroChecksum:
        zeroChecksum = parameters.length === 4 && readU32(bytes, parameters.valueStart) === EDMID_DTLS
        break
      case ParameterType.hostNameAddress:
        refusal = CauseCode.unresolvableAddress
        break
      case ParameterType.unrecognizedParameter:
      // known, and of no use: the path is the caller's (an unknown one of these types would hide all after it)
      case ParameterType.ipv4Address:
      case ParameterType.ipv6Address:
      case ParameterType.cookiePreservative:
      case ParameterType.supportedAddressTypes:
        break
      default: {
        const { stop, report } = unknownType(parameters.head >>> 14)
        if (report && unrecognized.length < MAX_REPORTED) {
          unrecognized.push(parameters.whole().slice(0, MAX_REPORTED_BYTES))
        }
        if (stop) break walk
      }
    }
  }
  return {
    initiateTag,
    receiverWindow: readU32(bytes, at + 4),
    outboundStreams,
    inboundStreams,
    initialTsn: readU32(bytes, at + 12),
    extensions: { forwardTsn, reConfig, zeroChecksum, interleaving },
    unrecognized,
    ...(cookie === undefined ? {} : { cookie }),
    ...(refusal === undefined ? {} : { refusal }),
  }
}
