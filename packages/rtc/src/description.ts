/** What a browser's `RTCSessionDescription` is as JSON. */
export interface Offer {
  readonly type: 'offer'
  readonly sdp: string
}
export interface Answer {
  readonly type: 'answer'
  readonly sdp: string
}
