import { describe, expect, it } from 'vitest'
import { expectSteady, ForeignCall, ForeignPeer, framesOf } from './foreign-peers.ts'
import { until } from './test-server.ts'

/** How long a peer may say nothing that says four times a second how far it is, ms. */
const SILENCE = 15_000
const MAX_STUCK = 3

interface Result {
  readonly messages: readonly (readonly ['text' | 'binary', number])[]
  readonly sent: number
  readonly returned: number
}

// it comes with the dependencies, so it is never left out
describe('libdatachannel, which OBS publishes with', { timeout: 300_000 }, () => {
  const call = ForeignCall.forEachTest()

  it('publishes over WHIP, and messages to 256 KiB come back', async () => {
    const sizes = [1, 1000, 65_536, 262_144]
    const start = (): ForeignPeer =>
      call.start(ForeignPeer.node('libdatachannel.mjs', call.server.address, { messages: sizes }))
    let peer = start()
    // one in twenty, on a busy machine, says nothing any more as soon as it has the answer, and answers no check either: it is stuck in itself
    let stuck = 0
    while (!(await speaks(peer)) && stuck < MAX_STUCK) {
      console.warn(`A process of libdatachannel is stuck, another one calls: ${peer.output}`)
      stuck++
      await peer.end()
      peer = start()
    }
    await peer.progress<Result>(({ sent }) => sent >= 150, 'three seconds of sound')
    peer.tell('pause')
    const came = (): number => framesOf(call.server, 'audio').length
    const { messages, sent } = await peer.endOnce<Result>(
      (so) => so.messages.length > sizes.length && so.returned === so.sent && came() === so.sent,
      'all that was sent, and its echo',
    )
    // those that are stuck are still waited for
    expect(call.server.calls.size).toBeLessThanOrEqual(stuck)
    expect(messages).toEqual([['text', 5], ...sizes.map((size) => ['binary', size])])
    expectSteady(framesOf(call.server, 'audio'), sent, 0.02)
    // its answer has a section of video too, in the shape that OBS offers
    expect(peer.find('answer')!['answer']).toMatch(/m=video [1-9]\d* UDP\/TLS\/RTP\/SAVPF 96\r\n/)
  })
})

async function speaks(peer: ForeignPeer): Promise<boolean> {
  const says = (): boolean => peer.find('progress') !== undefined || peer.hasEnded
  await until(says, 'a word of it', SILENCE).catch(() => {})
  return says()
}
