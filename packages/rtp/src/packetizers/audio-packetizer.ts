import { type Packetizer, type PayloadPieces, payloadOf } from './packetizer.ts'

/** Opus (RFC 7587 section 4.2), G.711 and G.722 (RFC 3551 section 4.5): a frame is a payload. */
export class WholeFramePacketizer implements Packetizer {
  packetize(frame: Uint8Array, maxLength: number): PayloadPieces[] | undefined {
    return frame.length === 0 || frame.length > maxLength ? undefined : [payloadOf(frame)]
  }
}
