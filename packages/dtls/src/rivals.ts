// A handshake starts in plaintext, where anyone may forge what anyone may read. Until a signature or a Finished tells
// the genuine from the forged, both are kept side by side: whoever came first, or last, does not win by that.
// Without an attacker there is one of each. An attacker who cannot read the genuine datagrams can forge nothing that
// gets this far. One who reads them and injects his own, but takes none away, needs more than these bounds within one
// round trip to push the genuine one out.

/** ClientHellos at one place of a handshake: on a client those with another cookie, on a server those that may be answered. */
export const RIVAL_HELLOS_MAX = 16
/** Sessions that wait for a Finished: each rival hello with each rival flight that may answer it. */
export const RIVAL_SESSIONS_MAX = 64

/** Adds the newest at the end. At the bound the oldest goes. */
export function keepRival<T>(rivals: T[], rival: T, max: number): void {
  if (rivals.length === max) rivals.shift()
  rivals.push(rival)
}
