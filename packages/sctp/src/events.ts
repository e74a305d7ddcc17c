import type { IncomingMessage } from './stream-order.ts'

/**
 * Why an association ended: `shutdown` by either end, all delivered; `aborted` by `abort()`; `aborted-by-peer`;
 * `timeout`: the peer does not answer; `protocol-violation` of the peer's.
 */
export type CloseReason = 'shutdown' | 'aborted' | 'aborted-by-peer' | 'timeout' | 'protocol-violation'

/** What an association reports. */
export type SctpEvent =
  | { readonly type: 'connected' }
  | ({ readonly type: 'message' } & IncomingMessage)
  /** A stream's buffered amount has fallen to its threshold; or there is room again, where one of its messages was not taken. */
  | { readonly type: 'bufferedAmountLow'; readonly stream: number }
  /** The peer has reset streams it sends on: what comes on them is new. */
  | { readonly type: 'incomingReset'; readonly streams: readonly number[] }
  /** The peer has answered `resetStream`. Where it was not performed, the streams go on as they were. */
  | { readonly type: 'outgoingReset'; readonly streams: readonly number[]; readonly performed: boolean }
  /** The peer lost its state and connected again: streams start anew, and what was unacknowledged is lost. */
  | { readonly type: 'restarted' }
  | { readonly type: 'closed'; readonly reason: CloseReason }
