import { readFileSync } from 'node:fs'
import { parseRtpHeader, type RtpHeader } from '../src/index.ts'

export interface ForeignPacket {
  readonly header: RtpHeader
  readonly payload: Uint8Array
}

/** The packets in a file of `data/foreign`, each after its length of 16 bits (RFC 4571 section 2). */
export function readPackets(name: string): ForeignPacket[] {
  const bytes = new Uint8Array(readFileSync(new URL(`data/foreign/${name}.rtp`, import.meta.url)))
  const view = new DataView(bytes.buffer)
  const packets: ForeignPacket[] = []
  for (let at = 0; at < bytes.length;) {
    const packet = bytes.slice(at + 2, at + 2 + view.getUint16(at))
    const header = parseRtpHeader(packet)!
    packets.push({
      header,
      payload: packet.subarray(header.payloadStart, header.payloadStart + header.payloadLength),
    })
    at += 2 + packet.length
  }
  return packets
}
