/** A record of epoch 0 with one fragment. */
export function fragmentRecord(
  type: number,
  length: number,
  messageSequence: number,
  offset: number,
  body: Uint8Array,
): Uint8Array {
  const u24 = (value: number): number[] => [value >>> 16, (value >>> 8) & 0xff, value & 0xff]
  const header = [type, ...u24(length), 0, messageSequence, ...u24(offset), ...u24(body.length)]
  const size = header.length + body.length
  return new Uint8Array([22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, size >>> 8, size & 0xff, ...header, ...body])
}
