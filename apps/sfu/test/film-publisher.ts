import { execFileSync } from 'node:child_process'
import { request } from 'node:https'
import { join } from 'node:path'
import { bindUdp, candidateAddresses, Peers } from '@str0m/demo-kit'
import { type FilmFrame, readIvf } from '@str0m/demo-kit/film'
import { Rtc } from '@str0m/rtc'

/** Pictures a second; each such many is a keyframe. */
const RATE = 15
/** Seconds: then it starts again. */
const DURATION = 8

/** One encoding of a film. */
export interface FilmEncoding {
  readonly rid: string
  readonly width: number
  readonly height: number
  /** Bits per second. */
  readonly bitrate: number
}

/** Has a film encoded by ffmpeg, as VP8 of a steady bitrate, with a keyframe in each second. */
function encode(directory: string, { rid, width, height, bitrate }: FilmEncoding): FilmFrame[] {
  const file = join(directory, `${rid}.ivf`)
  const rate = [
    '-b:v',
    `${bitrate}`,
    '-minrate',
    `${bitrate}`,
    '-maxrate',
    `${bitrate}`,
    '-bufsize',
    `${bitrate / 2}`,
  ]
  const source = `testsrc2=size=${width}x${height}:rate=${RATE}`
  const codec = [
    '-c:v',
    'libvpx',
    '-pix_fmt',
    'yuv420p',
    '-deadline',
    'realtime',
    '-cpu-used',
    '8',
    '-g',
    `${RATE}`,
  ]
  execFileSync('ffmpeg', [
    '-v',
    'error',
    '-f',
    'lavfi',
    '-i',
    source,
    '-t',
    `${DURATION}`,
    ...codec,
    ...rate,
    file,
  ])
  return readIvf(file)
}

/** Publishes a film in several encodings to the unit at the HTTPS port: what each takes does not depend on how busy the machine is. Answers what ends it. */
export async function publishFilm(
  port: number,
  encodings: readonly FilmEncoding[],
  directory: string,
): Promise<() => void> {
  const films = encodings.map((encoding) => ({ rid: encoding.rid, frames: encode(directory, encoding) }))
  const socket = await bindUdp(0)
  const peers = new Peers(socket, candidateAddresses([], socket), () => {})
  const rtc = new Rtc()
  peers.addCandidates(rtc)
  const change = rtc.createOffer()
  const mid = change.addMedia('video', 'sendonly', { encodings: encodings.map(({ rid }) => ({ rid })) })
  const offer = change.apply()
  peers.add(rtc)
  const sdp = await post(port, offer.sdp)
  rtc.pendingChanges()!.acceptAnswer({ type: 'answer', sdp })
  peers.changed(rtc)
  let count = 0
  const timer = setInterval(() => {
    if (!rtc.connected) return
    peers.tell(rtc)
    const media = rtc.media(mid)!
    const { pt } = media.codecs.find(({ name }) => name === 'VP8')!
    const time = { value: count * (90_000 / RATE), clockRate: 90_000 }
    for (const { rid, frames } of films) {
      const { data, keyframe } = frames[count % frames.length]!
      media.writer(pt, rid).write(time, data, { keyframe })
    }
    count++
    peers.changed(rtc)
  }, 1000 / RATE)
  return () => {
    clearInterval(timer)
    peers.close()
    socket.close()
  }
}

function post(port: number, sdp: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = {
      port,
      path: '/whip',
      method: 'POST',
      headers: { 'Content-Type': 'application/sdp' },
      // the unit makes its certificate itself
      rejectUnauthorized: false,
    }
    request(options, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => (text += chunk.toString()))
      response.on('end', () => resolve(text))
    })
      .on('error', reject)
      .end(sdp)
  })
}
