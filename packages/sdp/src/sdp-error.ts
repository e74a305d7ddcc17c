import { UsageError } from '@str0m/sans-io'

/** A session description that cannot be read. `code` is `invalid-sdp`. */
export class SdpError extends UsageError {
  override readonly name = 'SdpError'
  /** The line at fault, from 1; 0 where the whole is. */
  readonly line: number

  constructor(message: string, line = 0, text = '') {
    super('invalid-sdp', line === 0 ? message : `line ${line} ("${shorten(text)}"): ${message}`)
    this.line = line
  }
}

function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}
