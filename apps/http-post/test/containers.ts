import type { MediaData } from '@str0m/rtc'

/** An IVF file of video frames: a header of 32 bytes, then each frame with its size and time before it. */
export function ivf(
  fourcc: 'VP80' | 'VP90' | 'AV01',
  width: number,
  height: number,
  frames: readonly MediaData[],
): Buffer {
  const header = Buffer.alloc(32)
  header.write('DKIF', 0, 'latin1')
  header.writeUInt16LE(32, 6)
  header.write(fourcc, 8, 'latin1')
  header.writeUInt16LE(width, 12)
  header.writeUInt16LE(height, 14)
  header.writeUInt32LE(90_000, 16)
  header.writeUInt32LE(1, 20)
  header.writeUInt32LE(frames.length, 24)
  const start = frames[0]?.time.value ?? 0
  const parts: Buffer[] = [header]
  for (const { data, time } of frames) {
    // a temporal unit in a file opens with its delimiter, which is not sent over RTP
    const unit = fourcc === 'AV01' ? Buffer.concat([Buffer.of(0x12, 0x00), data]) : Buffer.from(data)
    const frameHeader = Buffer.alloc(12)
    frameHeader.writeUInt32LE(unit.length, 0)
    frameHeader.writeBigUInt64LE(BigInt(time.value - start), 4)
    parts.push(frameHeader, unit)
  }
  return Buffer.concat(parts)
}

/** An Ogg Opus file, RFC 7845: one page for each packet. */
export function oggOpus(frames: readonly MediaData[]): Buffer {
  const head = Buffer.alloc(19)
  head.write('OpusHead', 0, 'latin1')
  head.writeUInt8(1, 8)
  head.writeUInt8(2, 9)
  head.writeUInt32LE(48_000, 12)
  const tags = Buffer.concat([
    Buffer.from('OpusTags'),
    Buffer.from([5, 0, 0, 0]),
    Buffer.from('str0m'),
    Buffer.alloc(4),
  ])
  const start = frames[0]?.time.value ?? 0
  const pages = [oggPage(head, 0, 0n, 2), oggPage(tags, 1, 0n, 0)]
  frames.forEach(({ data, time }, i) => {
    pages.push(
      oggPage(Buffer.from(data), i + 2, BigInt(time.value - start + 960), i === frames.length - 1 ? 4 : 0),
    )
  })
  return Buffer.concat(pages)
}

function oggPage(packet: Buffer, sequence: number, granule: bigint, flags: number): Buffer {
  const segments: number[] = []
  for (let rest = packet.length; ; rest -= 255) {
    segments.push(Math.min(rest, 255))
    if (rest < 255) break
  }
  const header = Buffer.alloc(27)
  header.write('OggS', 0, 'latin1')
  header.writeUInt8(flags, 5)
  header.writeBigUInt64LE(granule, 6)
  header.writeUInt32LE(1, 14)
  header.writeUInt32LE(sequence, 18)
  header.writeUInt8(segments.length, 26)
  const page = Buffer.concat([header, Buffer.from(segments), packet])
  page.writeUInt32LE(oggCrc(page), 22)
  return page
}

/** CRC-32 with the polynomial 0x04c11db7, not reflected, RFC 3533 section 6. */
function oggCrc(bytes: Buffer): number {
  let crc = 0
  for (const byte of bytes) {
    crc ^= byte << 24
    for (let i = 0; i < 8; i++) crc = (crc << 1) ^ (crc < 0 ? 0x04c1_1db7 : 0)
  }
  return crc >>> 0
}
