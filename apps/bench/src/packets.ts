/** Bytes of an RTP packet here, before protection. */
export const PACKET_LENGTH = 1200
/** Of its fixed header, RFC 3550 section 5.1. */
export const HEADER_LENGTH = 12

/** Bytes of the payload of such a packet. */
const PAYLOAD_LENGTH: number = PACKET_LENGTH - HEADER_LENGTH
/** What a stack is told to take: such a packet with header extensions and a tag. */
export const MTU = 1300

/** A payload that looks like the start of a VP8 keyframe (RFC 7741 section 4.2 and 4.3): whoever forwards can begin with each packet. */
export function makePayload(): Uint8Array {
  const payload = new Uint8Array(PAYLOAD_LENGTH)
  for (let i = 0; i < PAYLOAD_LENGTH; i++) payload[i] = (i * 151) & 0xff
  payload[0] = 0x10
  payload[1] = 0
  return payload
}

const VERSION_2 = 0x80
const PAYLOAD_TYPE = 96

/** A buffer with an RTP packet of 1200 bytes in it and room for `overhead` more. Its payload is of some bytes or other. */
export function makePacket(ssrc: number, overhead: number): Uint8Array {
  const packet = new Uint8Array(PACKET_LENGTH + overhead)
  for (let i = HEADER_LENGTH; i < PACKET_LENGTH; i++) packet[i] = (i * 151) & 0xff
  const view = new DataView(packet.buffer)
  view.setUint8(0, VERSION_2)
  view.setUint8(1, PAYLOAD_TYPE)
  view.setUint32(8, ssrc)
  return packet
}

export function setSequenceNumber(packet: Uint8Array, sequenceNumber: number): void {
  packet[2] = sequenceNumber >>> 8
  packet[3] = sequenceNumber
}
