export { fromBase64, fromBase64Url, toBase64, toBase64Url } from './base64.ts'
export { ByteReader, readU16, readU32 } from './byte-reader.ts'
export { ByteWriter, writeU16, writeU32 } from './byte-writer.ts'
export { checkInput } from './check-input.ts'
export { concatBytes } from './concat-bytes.ts'
export { datagramBytes } from './datagram-bytes.ts'
export { assert, InternalError, UsageError } from './errors.ts'
export type { Mid, Pt, Rid, Ssrc } from './ids.ts'
export type {
  EventOutput,
  Machine,
  Output,
  ReceiveInput,
  TimeoutInput,
  TimeoutOutput,
  TransmitOutput,
} from './machine.ts'
export { onceFor, onceForBoth } from './once-for.ts'
export { OutputQueue } from './output-queue.ts'
export { isBytes } from './is-bytes.ts'
export { plainBytes } from './plain-bytes.ts'
export { type RandomSource, SeededRandom } from './random.ts'
export { serial16, serial24, serial32, type SerialArithmetic } from './serial.ts'
export {
  canonicalIpAddress,
  formatIpAddress,
  formatSocketAddress,
  ipFamily,
  parseIpAddress,
  sameSocketAddress,
  type SocketAddress,
  socketAddress,
} from './socket-address.ts'
export { decodeUtf8, decodeUtf8Strict, encodeUtf8, toHex } from './text.ts'
export { type Instant, latestInstant, NEVER, unixTimeAt, type WallClock } from './time.ts'
