import { describe, expect, it } from 'vitest'
import { Candidate, type MediaData, Rtc, RtcRouter, type Transmit } from '../src/index.ts'
import { received, seededCrypto } from './harness.ts'

const SERVER = { address: '192.0.2.1', port: 5000 }
/** Two peers behind one NAT, which has given both the same number. */
const NAT = { address: '203.0.113.5', port: 9 }

/** A server with one address for UDP and for TCP, and two callers: one by each. */
class Call {
  readonly router = new RtcRouter()
  readonly callers: readonly { readonly caller: Rtc; readonly server: Rtc }[]
  readonly came = new Map<Rtc, MediaData[]>()
  now = 0

  constructor(seed: number) {
    this.callers = [Candidate.host(NAT), Candidate.host(NAT, 'tcp', { tcpType: 'active' })].map(
      (candidate, i) => {
        const caller = new Rtc({ crypto: seededCrypto(10 * seed + 2 * i) })
        const server = new Rtc({ crypto: seededCrypto(10 * seed + 2 * i + 1) })
        caller.addLocalCandidate(candidate)
        for (const protocol of ['udp', 'tcp'] as const)
          server.addLocalCandidate(Candidate.host(SERVER, protocol))
        const change = caller.createOffer()
        change.addMedia('audio')
        const answer = server.acceptOffer(change.apply())
        caller.pendingChanges()!.acceptAnswer(answer)
        this.router.add(server)
        return { caller, server }
      },
    )
  }

  runFor(ms: number): void {
    for (const end = this.now + ms; this.now < end; this.now++) {
      this.router.handleInput({ kind: 'timeout', now: this.now })
      for (const { caller } of this.callers) caller.handleInput({ kind: 'timeout', now: this.now })
      while (this.#deliver());
    }
  }

  #deliver(): boolean {
    let moved = false
    for (const { caller } of this.callers) {
      for (let output = caller.pollOutput(); output.kind !== 'timeout'; output = caller.pollOutput()) {
        moved = true
        if (output.kind === 'transmit') this.router.handleInput(received(this.now, output))
        else if (output.event.type === 'mediaData') this.#note(caller, output.event)
      }
    }
    for (
      let output = this.router.pollOutput();
      output.kind !== 'timeout';
      output = this.router.pollOutput()
    ) {
      moved = true
      if (output.kind === 'transmit') this.#callerOf(output).handleInput(received(this.now, output))
      else if (output.event.type === 'mediaData') this.#note(output.rtc, output.event)
    }
    return moved
  }

  #callerOf({ proto }: Transmit): Rtc {
    return this.callers[proto === 'udp' ? 0 : 1]!.caller
  }

  #note(rtc: Rtc, frame: MediaData): void {
    this.came.set(rtc, [...(this.came.get(rtc) ?? []), frame])
  }
}

describe('a peer that has TCP alone', () => {
  it('calls beside one by UDP from the same address and port: each gets what is its own', () => {
    for (let seed = 1; seed <= 5; seed++) {
      const call = new Call(seed)
      call.runFor(3000)
      const all = call.callers.flatMap(({ caller, server }) => [caller, server])
      expect(
        all.map((rtc) => rtc.connected),
        `seed ${seed}`,
      ).toEqual([true, true, true, true])
      for (let i = 0; i < 10; i++) {
        for (const [number, rtc] of all.entries()) {
          const [media] = rtc.medias
          media!
            .writer(media!.codecs[0]!.pt)
            .write({ value: 960 * i, clockRate: 48_000 }, new Uint8Array(20).fill(number))
          call.router.changed(rtc)
        }
        call.runFor(20)
      }
      call.runFor(100)
      for (const [i, other] of [1, 0, 3, 2].entries()) {
        const frames = call.came.get(all[i]!) ?? []
        expect(frames, `seed ${seed}`).toHaveLength(10)
        expect(frames.every(({ data }) => data.every((byte) => byte === other))).toBe(true)
      }
      expect(call.router.unrouted, `seed ${seed}`).toBe(0)
      const protocols = call.callers.map(
        ({ server }) => server.statistics.selectedCandidatePair?.pair.remote.protocol,
      )
      expect(protocols, `seed ${seed}`).toEqual(['udp', 'tcp'])
      call.callers[1]!.caller.close()
      call.runFor(10)
      expect(call.callers.map(({ server }) => server.closed)).toEqual([false, true])
    }
  })

  it('is told the address of UDP first, where there is one (RFC 6544 section 4.3)', () => {
    const rtc = new Rtc()
    rtc.addLocalCandidate(Candidate.host({ ...SERVER, port: 443 }, 'tcp'))
    const offer = (): string => {
      const change = rtc.createOffer()
      change.addMedia('audio')
      const { sdp } = change.apply()
      rtc.pendingChanges()!.rollback()
      return sdp
    }
    expect(offer()).toMatch(/\r\nm=audio 9 .*\r\nc=IN IP4 0\.0\.0\.0\r\n/)
    rtc.addLocalCandidate(Candidate.host(SERVER))
    expect(offer()).toMatch(/\r\nm=audio 5000 .*\r\nc=IN IP4 192\.0\.2\.1\r\n/)
    expect(offer()).toMatch(/\r\na=candidate:\d+ 1 tcp \d+ 192\.0\.2\.1 443 typ host tcptype passive\r\n/)
  })
})
