import { describe, expect, it } from 'vitest'
import { expectSteady, ForeignCall, ForeignPeer, framesOf, hasPeer } from './foreign-peers.ts'
import { until } from './test-server.ts'

const AUDIO =
  'audiotestsrc is-live=true wave=red-noise ! audioconvert ! audioresample ! queue ! opusenc ! rtpopuspay pt=100 ssrc=1 ! queue ! application/x-rtp,media=audio,encoding-name=OPUS,payload=100'
const CAMERA =
  'videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=15/1 ! videoconvert ! queue'
const VP8 = `${CAMERA} ! vp8enc deadline=1 ! rtpvp8pay pt=96 ssrc=2 ! queue ! application/x-rtp,media=video,encoding-name=VP8,payload=96`
const H264 = `${CAMERA} ! x264enc tune=zerolatency speed-preset=ultrafast ! video/x-h264,profile=constrained-baseline ! rtph264pay pt=97 ssrc=2 aggregate-mode=zero-latency ! queue ! application/x-rtp,media=video,encoding-name=H264,payload=97`

const TOKEN = 'some.token'

describe.skipIf(!hasPeer('whip-client'))('[whip-client] a WHIP client', { timeout: 300_000 }, () => {
  const call = ForeignCall.forEachTest({ token: TOKEN })

  it('is refused without the token', async () => {
    const peer = call.start(ForeignPeer.whipClient(call.server, ['-A', AUDIO]))
    await peer.until(() => peer.output.includes('401'), 'that it is refused')
    expect(call.server.calls.size).toBe(0)
  })

  it.each([
    ['VP8 and Opus, trickled', ['-A', AUDIO, '-V', VP8]],
    ['H.264 and Opus, all candidates in the offer', ['--no-trickle', '-A', AUDIO, '-V', H264]],
  ])('publishes %s', async (_, args) => {
    const { server } = call
    const peer = call.start(ForeignPeer.whipClient(server, ['--token', TOKEN, ...args]))
    await peer.until(() => call.has({ video: 60, audio: 200 }), 'four seconds of media')
    expect(peer.output).toContain('PeerConnection connected')
    expect(server.calls.size).toBe(1)

    // its own end: DELETE
    await peer.interrupt()
    await until(() => server.calls.size === 0, 'the end of the call')
    expect(server.lines.at(-1)).toContain('Closed(local)')
    expect(peer.output).not.toContain('[ERR]')
    expect(peer.output).not.toContain('[WARN]')

    expectSteady(framesOf(server, 'video'), 60, 1 / 15)
    expectSteady(framesOf(server, 'audio'), 200, 0.02)
  })
})
