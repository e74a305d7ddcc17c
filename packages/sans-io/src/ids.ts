/** The `a=mid` of a media section, RFC 8843: up to 16 token characters. */
export type Mid = string
/** The `a=rid` of one encoding of a media section, RFC 8851. */
export type Rid = string
/** An RTP payload type, 0 to 127. */
export type Pt = number
/** An RTP synchronization source, 32 bits, RFC 3550 section 3. */
export type Ssrc = number
