import { UsageError } from './errors.ts'
import { isBytes } from './is-bytes.ts'
import type { ReceiveInput, TimeoutInput } from './machine.ts'

/** What a driver gives that its compiler does not look at. Throws a `UsageError` (`invalid-input`) for what is neither the time nor bytes. */
export function checkInput(input: TimeoutInput | ReceiveInput): void {
  const kind: unknown = input.kind
  if (kind === 'timeout' || (input.kind === 'receive' && isBytes(input.contents))) return
  throw new UsageError(
    'invalid-input',
    "An input is { kind: 'timeout', now } or { kind: 'receive', now, contents, … }, its contents a Uint8Array",
  )
}
