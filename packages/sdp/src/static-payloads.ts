/** The static payload types that WebRTC peers offer without an `a=rtpmap`, RFC 3551 section 6. */
export const STATIC_PAYLOADS: ReadonlyMap<number, { codec: string; rate: number; encoding?: number }> =
  new Map([
    [0, { codec: 'PCMU', rate: 8000 }],
    [8, { codec: 'PCMA', rate: 8000 }],
    [9, { codec: 'G722', rate: 8000 }],
    [13, { codec: 'CN', rate: 8000 }],
  ])
