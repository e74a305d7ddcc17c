/** The `a=mid` of a media section, a token: RFC 5888 section 4, RFC 9143. */
export type Mid = string
/** The `a=rid` of one encoding of a media section: letters, digits, `-` and `_`, RFC 8851 section 10. */
export type Rid = string
/** An RTP payload type, 0 to 127. */
export type Pt = number
/** An RTP synchronization source, 32 bits, RFC 3550 section 3. */
export type Ssrc = number
