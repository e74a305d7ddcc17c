import { randomUUID } from 'node:crypto'
import type { Peers } from '@str0m/demo-kit'
import { type Answer, DtlsCertificate, type Offer, Rtc, type RtcEvent } from '@str0m/rtc'
import { UsageError } from '@str0m/sans-io'
import { PlayableFile } from './playable-file.ts'
import { PlayingCall } from './playing-call.ts'
import { type MakeRtc, RecordingCall } from './recording-call.ts'
import type { Recordings } from './recordings.ts'

/** Calls at once. */
export const MAX_CALLS = 32

/** What the calls need of their run loop. */
export type CallPeers = Pick<Peers, 'addCandidates' | 'add' | 'tell' | 'changed'>

interface Call {
  readonly id: string
  readonly call: RecordingCall | PlayingCall
}

/** The calls that are recorded, and those that files are played into. */
export class Calls {
  readonly #recordings: Recordings
  readonly #log: (line: string) => void
  readonly #certificate = DtlsCertificate.generate()
  readonly #calls = new Map<Rtc, Call>()
  readonly #unfinished = new Set<Promise<unknown>>()
  readonly #makeRtc: MakeRtc = (codecs) => {
    const rtc = new Rtc({ certificate: this.#certificate, codecs })
    this.#drivenBy().addCandidates(rtc)
    return rtc
  }
  #peers: CallPeers | undefined

  constructor(recordings: Recordings, log: (line: string) => void) {
    this.#recordings = recordings
    this.#log = log
  }

  /** Says what drives the peers. */
  drivenBy(peers: CallPeers): void {
    this.#peers = peers
  }

  /** Answers a call that is to be recorded. Throws a `UsageError`. */
  async record(offer: Offer): Promise<{ id: string; answer: Answer }> {
    const base = await this.#recordings.newPath()
    const onFull = (error: Error | undefined): void => {
      this.#log(error === undefined ? 'the file is full' : `the file cannot be written: ${error.message}`)
      this.#close(call.rtc)
    }
    const call: RecordingCall = new RecordingCall(offer, base, this.#makeRtc, onFull)
    return this.#add(call)
  }

  /** Answers a call that a file is to be sent into. Throws a `UsageError`. */
  async play(path: string, loop: boolean, offer: Offer): Promise<{ id: string; answer: Answer }> {
    const file = await PlayableFile.open(path)
    try {
      return this.#add(new PlayingCall(offer, file, loop, this.#makeRtc, this.#drivenBy()))
    } catch (error) {
      file.close()
      throw error
    }
  }

  /** Ends a call, and waits for its file. False where there is no such call. Rejects with what went wrong in writing. */
  async hangUp(id: string): Promise<boolean> {
    const found = [...this.#calls.values()].find((known) => known.id === id)
    if (found === undefined) return false
    this.#close(found.call.rtc)
    if (found.call instanceof RecordingCall) await found.call.finish()
    return true
  }

  /** Takes what happens to one of the peers. */
  handleEvent(rtc: Rtc, event: RtcEvent): void {
    const known = this.#calls.get(rtc)
    if (known === undefined) return
    const { call, id } = known
    call.handleEvent(event)
    if (event.type !== 'closed') return
    this.#calls.delete(rtc)
    if (call instanceof PlayingCall) {
      this.#log(`played ${id}: ${JSON.stringify(call.statistics)}`)
      return
    }
    const finished = call.finish().then(
      (path) => this.#log(`recorded ${id}: ${path ?? 'nothing came'} ${JSON.stringify(call.statistics)}`),
      (error: unknown) => this.#log(`recording ${id} failed: ${String(error)}`),
    )
    this.#unfinished.add(finished)
    void finished.then(() => this.#unfinished.delete(finished))
  }

  /** Waits until the files of all calls that are over are whole. */
  async finished(): Promise<void> {
    await Promise.all(this.#unfinished)
  }

  #add(call: RecordingCall | PlayingCall): { id: string; answer: Answer } {
    if (this.#calls.size >= MAX_CALLS) throw new UsageError('too-many-calls', `There are ${MAX_CALLS} calls`)
    const id = randomUUID()
    this.#calls.set(call.rtc, { id, call })
    this.#drivenBy().add(call.rtc)
    return { id, answer: call.answer }
  }

  #close(rtc: Rtc): void {
    if (rtc.closed) return
    rtc.close()
    this.#peers?.changed(rtc)
  }

  #drivenBy(): CallPeers {
    if (this.#peers === undefined) throw new UsageError('wrong-state', 'Call drivenBy first')
    return this.#peers
  }
}
