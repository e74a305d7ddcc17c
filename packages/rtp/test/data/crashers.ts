/** Inputs that a parser once took wrongly, and how many packets of each RTCP is to count as malformed. */
export const CRASHERS: readonly {
  readonly what: string
  readonly hex: string
  readonly malformed: number
}[] = [
  {
    what: 'transport-wide feedback as browsers pad it was thrown away',
    hex: 'afcd00050000000100000002000500010000000720010401',
    malformed: 0,
  },
  {
    what: 'feedback of 16 bytes that claims 65535 packets grew to that many entries',
    hex: '8fcd000600000001000000020000ffff000000071fff1fff1fff1fff',
    malformed: 1,
  },
  {
    what: 'an id of 0 with a length in a one-byte header extension was passed over',
    hex: '906000010000000000000001bede000103106100',
    malformed: 1,
  },
]
