import type { Instant } from '@str0m/sans-io'
import type { Connection } from '../connection.ts'
import type { RecordWriter } from '../record-protection.ts'
import type { RecordHeader } from '../wire/record.ts'
import type { UnifiedHeader } from '../wire/unified-header.ts'
import type { Handshake, RecordVerdict } from './context.ts'

/**
 * The handshakes of both versions side by side, over the same ClientHellos. Nothing that chooses between them is authenticated, so the choice is not
 * made until one of them is complete.
 */
export class BothVersions implements Handshake {
  readonly #handshake13: Handshake
  readonly #handshake12: Handshake

  constructor(handshake13: Handshake, handshake12: Handshake) {
    this.#handshake13 = handshake13
    this.#handshake12 = handshake12
  }

  get established(): Connection | undefined {
    return this.#handshake13.established ?? this.#handshake12.established
  }

  get begun(): boolean {
    return this.#handshake13.begun || this.#handshake12.begun
  }

  get deadline(): Instant {
    return Math.min(this.#handshake13.deadline, this.#handshake12.deadline)
  }

  get write(): RecordWriter | undefined {
    return this.#handshake13.write
  }

  start(now: Instant): void {
    this.#handshake13.start(now)
    this.#handshake12.start(now)
  }

  handleTimeout(now: Instant): void {
    this.#handshake13.handleTimeout(now)
    this.#handshake12.handleTimeout(now)
  }

  handleMessage(messageSequence: number, recordSequence: number, now: Instant): void {
    this.#handshake13.handleMessage(messageSequence, recordSequence, now)
    this.#handshake12.handleMessage(messageSequence, recordSequence, now)
  }

  handleRepeated(messageSequence: number, now: Instant): boolean {
    return (
      this.#handshake13.handleRepeated(messageSequence, now) ||
      this.#handshake12.handleRepeated(messageSequence, now)
    )
  }

  handleRecord(datagram: Uint8Array, header: RecordHeader, now: Instant): RecordVerdict {
    return this.#handshake12.handleRecord(datagram, header, now)
  }

  handleCiphertext(datagram: Uint8Array, header: UnifiedHeader, now: Instant): RecordVerdict {
    return this.#handshake13.handleCiphertext(datagram, header, now)
  }
}
