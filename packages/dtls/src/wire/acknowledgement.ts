import { ByteReader, ByteWriter } from '@str0m/sans-io'

/** RecordNumber, RFC 9147 section 4. Numbers past 2⁵³ have lost their low bits: no record of ours has such a one. */
export interface RecordNumber {
  readonly epoch: number
  readonly sequence: number
}

const RECORD_NUMBER_LENGTH = 16

/** The `record_numbers` of an ACK, RFC 9147 section 7. */
export function parseAcknowledgement(body: Uint8Array): RecordNumber[] | undefined {
  const reader = new ByteReader(body)
  const list = reader.sub(reader.u16())
  const numbers: RecordNumber[] = []
  while (list.remaining > 0) numbers.push({ epoch: readU64(list), sequence: readU64(list) })
  return list.failed || !reader.finished ? undefined : numbers
}

/** The numbers are to be in increasing order. */
export function encodeAcknowledgement(numbers: readonly RecordNumber[]): Uint8Array {
  const length = numbers.length * RECORD_NUMBER_LENGTH
  const writer = new ByteWriter(2 + length).u16(length)
  for (const { epoch, sequence } of numbers) {
    writer.u16(0).u48(epoch)
    writer.u16(0).u48(sequence)
  }
  return writer.finish()
}

function readU64(reader: ByteReader): number {
  const high = reader.u32()
  return high * 0x1_0000_0000 + reader.u32()
}
