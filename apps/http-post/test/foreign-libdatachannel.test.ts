import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { expectSteady, ForeignPeer, framesOf } from './foreign-peers.ts'
import { startTestServer, type TestServer } from './test-server.ts'

interface Result {
  readonly messages: readonly (readonly ['text' | 'binary', number])[]
  readonly sent: number
  readonly returned: number
}

// it comes with the dependencies, so it is never left out
describe('libdatachannel, which OBS publishes with', { timeout: 60_000 }, () => {
  let server: TestServer
  let peer: ForeignPeer | undefined

  beforeEach(async () => {
    server = await startTestServer()
  })
  afterEach(async () => {
    await peer?.end()
    await server.close()
  })

  it('publishes over WHIP, and messages to 256 KiB come back', async () => {
    const sizes = [1, 1000, 65_536, 262_144]
    const seconds = 4
    peer = ForeignPeer.node(
      'libdatachannel.mjs',
      server.address,
      JSON.stringify({ seconds, messages: sizes }),
    )
    const { messages, sent, returned } = await peer.result<Result>()
    expect(server.calls.size).toBe(0)
    expect(messages).toEqual([['text', 5], ...sizes.map((size) => ['binary', size])])
    expectSteady(framesOf(server, 'audio'), 50 * (seconds - 2), 0.021)
    expect(returned).toBeGreaterThan(0.8 * sent)
    // its answer has a section of video too, in the shape that OBS offers
    expect(peer.find('answer')!['answer']).toMatch(/m=video [1-9]\d* UDP\/TLS\/RTP\/SAVPF 96\r\n/)
  })
})
