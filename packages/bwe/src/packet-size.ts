import { UsageError } from '@str0m/sans-io'

/** Throws a `UsageError` (`invalid-size`) for what is no number of bytes of a packet. */
export function checkSize(size: number): void {
  if (!(size >= 0 && size <= 0x7fff_ffff)) {
    throw new UsageError('invalid-size', `a packet has 0 bytes or more, not ${size}`)
  }
}
