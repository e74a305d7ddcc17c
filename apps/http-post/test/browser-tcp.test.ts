import { call, findBrowser, openPage, PATIENCE, readReceived, untilMet } from '@str0m/demo-kit/browsers'
import { describe, expect, it } from 'vitest'
import { BrowserStage } from './browser-stage.ts'
import { until } from './test-server.ts'

const TIMEOUT = 300_000

for (const name of ['chromium', 'firefox'] as const) {
  describe.skipIf(findBrowser(name) === undefined)(
    `[browser] ${name} and ICE TCP`,
    { timeout: TIMEOUT },
    () => {
      it('descriptions without candidates of UDP: media comes and goes by TCP', async () => {
        const stage = await BrowserStage.forTest(name, {}, { tcpPort: 0 })
        const page = await openPage(stage.browser, stage.server.address)
        const outcome = await page.evaluate(callByTcp, PATIENCE)
        expect(outcome).toMatchObject({ local: 'tcp', remote: 'tcp' })
        expect(outcome.frames).toBeGreaterThan(30)
        expect(outcome.audioPackets).toBeGreaterThan(50)
        await until(() => stage.server.calls.size === 0, 'the call to end')
        expect(stage.server.frames.length).toBeGreaterThan(80)
      })

      if (name === 'chromium') {
        it('that may use no UDP: the page calls by TCP', async () => {
          const flags = ['--webrtc-ip-handling-policy=disable_non_proxied_udp']
          const stage = await BrowserStage.forTest(name, { flags }, { tcpPort: 0 })
          const page = await call(stage.browser, stage.server.address, ['echo', 'cam', 'mic'])
          await untilMet(
            () => readReceived(page, '#remote'),
            ({ frames, samples }) => frames > 30 && samples > 48_000,
            'an echo',
          )
          const protocols = await page.evaluate(async () => {
            const candidates = await window.kit.statistics(window.connection, 'local-candidate')
            return candidates.map(({ protocol }) => protocol)
          })
          expect(new Set(protocols)).toEqual(new Set(['tcp']))
        })
      }
    },
  )
}

/** Runs in the page. */
async function callByTcp(patience: number) {
  const { kit } = window
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true })
  const peer = new RTCPeerConnection()
  peer.addEventListener('track', ({ track }) => kit.play(track))
  for (const track of stream.getTracks()) peer.addTrack(track, stream)
  const withoutUdp = (sdp: string): string => sdp.replace(/^a=candidate:\S+ \d+ udp .*\r\n/gim, '')
  const { type, sdp } = await kit.describe(peer)
  const { answer, resource } = await kit.post('/?echo', { type, sdp: withoutUdp(sdp) })
  await peer.setRemoteDescription({ type: 'answer', sdp: withoutUdp(answer.sdp) })
  const end = performance.now() + patience
  for (;;) {
    const received = await kit.statistics(peer, 'inbound-rtp')
    const of = (kind: string) => received.find((entry) => entry['kind'] === kind)
    const frames = Number(of('video')?.['framesDecoded'] ?? 0)
    const audioPackets = Number(of('audio')?.['packetsReceived'] ?? 0)
    if ((frames > 30 && audioPackets > 50) || performance.now() > end) {
      const pairs = await kit.statistics(peer, 'candidate-pair')
      const pair = pairs.find((entry) => entry['nominated'] === true && entry['state'] === 'succeeded')
      const protocolOf = async (side: 'local' | 'remote') => {
        const candidates = await kit.statistics(peer, `${side}-candidate`)
        return candidates.find(({ id }) => id === pair?.[`${side}CandidateId`])?.['protocol']
      }
      const [local, remote] = [await protocolOf('local'), await protocolOf('remote')]
      await kit.hangUp(resource, peer)
      return { frames, audioPackets, local, remote }
    }
    await kit.sleep(100)
  }
}
