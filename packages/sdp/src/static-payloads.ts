/** The static payload types that WebRTC peers offer without an `a=rtpmap`, RFC 3551 section 6. */
export const STATIC_PAYLOADS: ReadonlyMap<number, { name: string; clockRate: number; channels?: number }> =
  new Map([
    [0, { name: 'PCMU', clockRate: 8000 }],
    [8, { name: 'PCMA', clockRate: 8000 }],
    [9, { name: 'G722', clockRate: 8000 }],
    [13, { name: 'CN', clockRate: 8000 }],
  ])
