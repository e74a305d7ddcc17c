/** The states of RFC 9260 section 4. */
export type SctpState =
  | 'closed'
  | 'cookieWait'
  | 'cookieEchoed'
  | 'established'
  | 'shutdownPending'
  | 'shutdownSent'
  | 'shutdownReceived'
  | 'shutdownAckSent'

/** Whether there is an association that data moves in. */
export function isUp(state: SctpState): boolean {
  return state !== 'closed' && !isForming(state)
}

/** Whether this end has begun a handshake that is not done. */
export function isForming(state: SctpState): boolean {
  return state === 'cookieWait' || state === 'cookieEchoed'
}

/** Whether data may be sent, new or again. */
export function maySendData(state: SctpState): boolean {
  return state === 'established' || state === 'shutdownPending' || state === 'shutdownReceived'
}
