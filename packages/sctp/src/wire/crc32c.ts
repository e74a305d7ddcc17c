// No package sees the DOM's or Node's types.
declare const DataView: new (
  buffer: ArrayBufferLike,
  byteOffset: number,
  byteLength: number,
) => { getInt32(at: number, littleEndian: boolean): number }

/** The CRC32c polynomial of RFC 9260 appendix A, bits reflected. */
const POLYNOMIAL = 0x82f6_3b78
/** Bytes that a step takes. */
const STEP = 16

/** Sixteen tables of 256 entries, one after the other: table k is that of a byte with k bytes after it. */
const TABLES = makeTables()

function makeTables(): Int32Array {
  const tables = new Int32Array(STEP * 256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
    tables[byte] = crc
  }
  for (let i = 256; i < tables.length; i++) {
    const previous = tables[i - 256]!
    tables[i] = (previous >>> 8) ^ tables[previous & 0xff]!
  }
  return tables
}

/** The CRC32c of `bytes`, as an unsigned number. Sixteen bytes a step. */
export function crc32c(bytes: Uint8Array): number {
  const tables = TABLES
  const end = bytes.length
  const whole = end - (end % STEP)
  const view = new DataView(bytes.buffer, bytes.byteOffset, end)
  let crc = -1
  let at = 0
  for (; at < whole; at += STEP) {
    const a = crc ^ view.getInt32(at, true)
    const b = view.getInt32(at + 4, true)
    const c = view.getInt32(at + 8, true)
    const d = view.getInt32(at + 12, true)
    crc =
      tables[0xf00 + (a & 0xff)]! ^
      tables[0xe00 + ((a >>> 8) & 0xff)]! ^
      tables[0xd00 + ((a >>> 16) & 0xff)]! ^
      tables[0xc00 + (a >>> 24)]! ^
      tables[0xb00 + (b & 0xff)]! ^
      tables[0xa00 + ((b >>> 8) & 0xff)]! ^
      tables[0x900 + ((b >>> 16) & 0xff)]! ^
      tables[0x800 + (b >>> 24)]! ^
      tables[0x700 + (c & 0xff)]! ^
      tables[0x600 + ((c >>> 8) & 0xff)]! ^
      tables[0x500 + ((c >>> 16) & 0xff)]! ^
      tables[0x400 + (c >>> 24)]! ^
      tables[0x300 + (d & 0xff)]! ^
      tables[0x200 + ((d >>> 8) & 0xff)]! ^
      tables[0x100 + ((d >>> 16) & 0xff)]! ^
      tables[d >>> 24]!
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ tables[(crc ^ bytes[at]!) & 0xff]!
  return ~crc >>> 0
}
