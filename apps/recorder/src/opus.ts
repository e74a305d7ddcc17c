/** Opus runs its clock at this, whatever it codes (RFC 7587 section 4.1). Hertz. */
export const OPUS_CLOCK_RATE = 48_000

/**
 * What the file says of the sound (RFC 7845 section 5.1): two channels, 48 kHz, nothing to be skipped, since the recording joins a stream that is under
 * way.
 */
export const OPUS_HEAD: Uint8Array = Uint8Array.from([
  0x4f, 0x70, 0x75, 0x73, 0x48, 0x65, 0x61, 0x64, 1, 2, 0, 0, 0x80, 0xbb, 0, 0, 0, 0, 0,
])

/** 20 ms of silence, in stereo. */
export const OPUS_SILENCE: Uint8Array = Uint8Array.of(0xfc, 0xff, 0xfe)

/** Samples of one frame by the configuration in the upper five bits of the first byte, RFC 6716 section 3.1. */
function frameLength(configuration: number): number {
  if (configuration < 12) return [480, 960, 1920, 2880][configuration & 3]!
  if (configuration < 16) return [480, 960][configuration & 1]!
  return [120, 240, 480, 960][configuration & 3]!
}

/** How long a packet plays, in samples at 48 kHz; 0 where it is none, RFC 6716 section 3.2. */
export function opusLength(packet: Uint8Array): number {
  const [first, second = 0] = packet
  if (first === undefined) return 0
  const code = first & 3
  const frames = code === 0 ? 1 : code === 3 ? second & 0x3f : 2
  return frames * frameLength(first >> 3)
}
