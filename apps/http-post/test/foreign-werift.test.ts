import { describe, expect, it, onTestFinished } from 'vitest'
import {
  MediaStreamTrack,
  type RTCDataChannel,
  RTCPeerConnection,
  RtpHeader,
  RtpPacket,
  useH264,
  useOPUS,
  useVP8,
} from 'werift'
import { CallingPeer } from './calling-peer.ts'
import { until } from './test-server.ts'

/** Ms between two frames. */
const STEP = 20
const SIZES = [1, 1000, 16_384, 65_536]

// it comes with the dependencies, so it is never left out
describe('werift', { timeout: 60_000 }, () => {
  it('offers: sound, pictures and messages go there and back', async () => {
    const { peer, foreign } = await both()
    const channel = foreign.connection.createDataChannel('theirs')
    foreign.publish()
    peer.echo = true
    await foreign.connection.setLocalDescription(await foreign.connection.createOffer())
    const { sdp } = foreign.connection.localDescription!
    const answer = peer.do((rtc) => rtc.acceptOffer({ type: 'offer', sdp }))
    await foreign.connection.setRemoteDescription(answer)
    await echoesAll(peer, foreign)
    await messagesGo(peer, channel)
  })

  it('answers: sound, pictures and messages go there and back', async () => {
    const { peer, foreign } = await both()
    const opened = new Promise<RTCDataChannel>((resolve) => {
      foreign.connection.onDataChannel.subscribe(resolve)
    })
    peer.echo = true
    const offer = peer.do((rtc) => {
      const change = rtc.createOffer()
      change.addMedia('audio')
      change.addMedia('video')
      change.addChannel('ours')
      return change.apply()
    })
    await foreign.connection.setRemoteDescription(offer)
    foreign.publish()
    await foreign.connection.setLocalDescription(await foreign.connection.createAnswer())
    const { sdp } = foreign.connection.localDescription!
    peer.do((rtc) => rtc.pendingChanges()!.acceptAnswer({ type: 'answer', sdp }))
    await echoesAll(peer, foreign)
    await messagesGo(peer, await opened)
  })

  it('sends again what was lost, where it is asked', async () => {
    const { peer, foreign } = await both()
    foreign.publish()
    await foreign.connection.setLocalDescription(await foreign.connection.createOffer())
    const { sdp } = foreign.connection.localDescription!
    const answer = peer.do((rtc) => rtc.acceptOffer({ type: 'offer', sdp }))
    await foreign.connection.setRemoteDescription(answer)
    const video = peer.rtc.medias.find(({ kind }) => kind === 'video')!
    peer.loseOneIn(10, video.codecs.find(({ name }) => name === 'VP8')!.pt)
    await until(() => peer.framesOf(video.mid).length >= 150, 'three seconds of pictures')
    const frames = peer.framesOf(video.mid)
    expect(frames.every(({ contiguous }) => contiguous)).toBe(true)
    const numbers = frames.map(({ data }) => numberOf(data))
    expect(numbers).toEqual(numbers.map((_, i) => numbers[0]! + i))
    expect(peer.rtc.statistics.inbound.some(({ nackCount }) => nackCount > 5)).toBe(true)
  })
})

async function both(): Promise<{ peer: CallingPeer; foreign: WeriftPeer }> {
  const peer = await CallingPeer.start()
  const foreign = new WeriftPeer()
  onTestFinished(async () => {
    peer.close()
    await foreign.close()
  })
  return { peer, foreign }
}

/** What comes back is what was sent, without a gap. */
async function echoesAll(peer: CallingPeer, { returned }: WeriftPeer): Promise<void> {
  await until(() => returned.audio.length >= 100 && returned.video.length >= 100, 'two seconds of the echo')
  for (const [kind, numbers] of Object.entries(returned)) {
    expect([kind, numbers]).toEqual([kind, numbers.map((_, i) => numbers[0]! + i)])
  }
  expect(peer.frames.every(({ contiguous }) => contiguous)).toBe(true)
}

/** Text and bytes, of up to 64 KiB, both ways. */
async function messagesGo(peer: CallingPeer, channel: RTCDataChannel): Promise<void> {
  const came: (string | number)[] = []
  channel.onMessage.subscribe((message) => came.push(typeof message === 'string' ? message : message.length))
  await until(() => channel.readyState === 'open' && peer.rtc.channels.length === 1, 'the channel')
  const { id } = peer.rtc.channels[0]!
  channel.send('hello')
  peer.write(id, 'hello yourself')
  for (const size of SIZES) {
    channel.send(Buffer.alloc(size, 7))
    peer.write(id, new Uint8Array(size).fill(8))
  }
  await until(() => came.length > SIZES.length && peer.messages.length > SIZES.length, 'all messages')
  expect(came).toEqual(['hello yourself', ...SIZES])
  expect(peer.messages.map(({ data }) => (typeof data === 'string' ? data : data.length))).toEqual([
    'hello',
    ...SIZES,
  ])
}

/** Which of its kind a frame is: in its second and third byte. */
function numberOf(frame: Uint8Array): number {
  return frame[1]! + 256 * frame[2]!
}

/** One that sends numbered frames, each in a packet, and notes which come back. */
class WeriftPeer {
  readonly connection: RTCPeerConnection = new RTCPeerConnection({
    iceServers: [],
    codecs: { audio: [useOPUS()], video: [useVP8(), useH264()] },
  })
  readonly returned: { readonly audio: number[]; readonly video: number[] } = { audio: [], video: [] }
  readonly #tracks = (['audio', 'video'] as const).map((kind) => new MediaStreamTrack({ kind }))
  #timer: NodeJS.Timeout | undefined

  constructor() {
    this.connection.onTrack.subscribe((track) => {
      track.onReceiveRtp.subscribe(({ payload }) => {
        // of pictures, behind the descriptor of RFC 7741 section 4.2
        const frame = track.kind === 'video' ? payload.subarray(vp8DescriptorLength(payload)) : payload
        this.returned[track.kind as 'audio' | 'video'].push(numberOf(frame))
      })
    })
  }

  publish(): void {
    for (const track of this.#tracks) this.connection.addTrack(track)
    let count = 0
    this.#timer = setInterval(() => {
      if (this.connection.connectionState !== 'connected') return
      for (const track of this.#tracks) {
        const isVideo = track.kind === 'video'
        const header = new RtpHeader({
          ssrc: isVideo ? 2 : 1,
          payloadType: track.codec?.payloadType ?? 0,
          sequenceNumber: count & 0xffff,
          timestamp: count * STEP * (isVideo ? 90 : 48),
          marker: isVideo,
        })
        const frame = [isVideo && count > 0 ? 0x11 : 0x10, count & 0xff, count >> 8]
        track.writeRtp(new RtpPacket(header, Buffer.from(isVideo ? [0x10, ...frame] : frame)))
      }
      count++
    }, STEP)
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.connection.close()
  }
}

/** RFC 7741 section 4.2. */
function vp8DescriptorLength(payload: Uint8Array): number {
  if ((payload[0]! & 0x80) === 0) return 1
  const extensions = payload[1]!
  let length = 2
  if ((extensions & 0x80) !== 0) length += (payload[length]! & 0x80) !== 0 ? 2 : 1
  if ((extensions & 0x40) !== 0) length += 1
  if ((extensions & 0x30) !== 0) length += 1
  return length
}
