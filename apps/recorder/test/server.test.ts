import { readdir, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:https'
import { join } from 'node:path'
import { untilMet } from '@str0m/demo-kit/browsers'
import { DtlsCertificate, Rtc } from '@str0m/rtc'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { scratchDirectory } from '../../../vitest.scratch.ts'
import { Calls, MAX_CALLS, type CallPeers } from '../src/calls.ts'
import { PlayableFile } from '../src/playable-file.ts'
import { Recordings } from '../src/recordings.ts'
import { type RunningServer, startServer } from '../src/server.ts'
import { picture, sound, vp8 } from './frames.ts'

const SDP = { 'Content-Type': 'application/sdp' }

interface Reply {
  readonly status: number
  readonly location: string | undefined
  readonly length: string | undefined
  readonly allow: string | undefined
  readonly body: string
}

function offerOf(kinds: readonly ('audio' | 'video')[], direction: 'sendonly' | 'recvonly'): string {
  const rtc = new Rtc({ certificate: DtlsCertificate.generate() })
  const change = rtc.createOffer()
  for (const kind of kinds) change.addMedia(kind, direction)
  return change.apply().sdp
}

describe('the server', () => {
  let directory: string
  let server: RunningServer

  beforeAll(async () => {
    directory = scratchDirectory()
    server = await startServer({ port: 0, directory, recordings: directory })
  })

  afterAll(() => server.close())

  const ask = (
    method: string,
    path: string,
    body = '',
    headers: Record<string, string> = {},
  ): Promise<Reply> =>
    new Promise((resolve, reject) => {
      const options = { method, port: server.port, path, headers, rejectUnauthorized: false }
      const sent = request(options, (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => {
          text += chunk
        })
        response.on('end', () => {
          const { location, allow, 'content-length': length } = response.headers
          resolve({ status: response.statusCode!, location, allow, length, body: text })
        })
      })
      sent.on('error', reject)
      sent.end(body)
    })

  it('shows its page', async () => {
    expect((await ask('GET', '/')).body).toContain('<h1>recorder</h1>')
    expect((await ask('GET', '/page.js')).status).toBe(200)
    expect((await ask('PUT', '/')).status).toBe(405)
  })

  it('lists what can be played, hands it out, and nothing else', async () => {
    await writeFile(join(directory, 'a.webm'), 'film')
    await writeFile(join(directory, 'b.mp4.part'), 'film')
    await writeFile(join(directory, '.c.mp4'), 'film')
    expect(JSON.parse((await ask('GET', '/recordings')).body)).toEqual({
      recordings: [{ name: 'a.webm', size: 4 }],
    })
    expect(await ask('GET', '/recordings/a.webm')).toMatchObject({ status: 200, body: 'film' })
    for (const name of ['b.mp4.part', '.c.mp4', 'key.pem', '%2e%2e%2fkey.pem', '../key.pem', 'none.webm']) {
      expect((await ask('GET', `/recordings/${name}`)).status).toBe(404)
    }
    expect((await ask('POST', '/play/none.webm', offerOf(['video'], 'recvonly'), SDP)).status).toBe(404)
    expect((await ask('POST', '/play/..%2fkey.pem', offerOf(['video'], 'recvonly'), SDP)).status).toBe(404)
  })

  it('says how large a recording is, and which methods there are', async () => {
    await writeFile(join(directory, 'd.webm'), 'film')
    await writeFile(join(directory, 'empty.webm'), '')
    for (const method of ['GET', 'HEAD']) {
      const answer = await ask(method, '/recordings/d.webm')
      expect(answer).toMatchObject({ status: 200, length: '4', body: method === 'GET' ? 'film' : '' })
    }
    expect(await ask('GET', '/recordings/empty.webm')).toMatchObject({ status: 200, length: '0' })
    for (const [path, allow] of [
      ['/record', 'POST'],
      ['/play/a.webm', 'POST'],
      ['/recordings', 'GET'],
      ['/recordings/a.webm', 'GET, HEAD'],
      ['/calls/none', 'DELETE'],
    ] as const) {
      expect(await ask('PUT', path)).toMatchObject({ status: 405, allow })
    }
  })

  it('does not start where recordings cannot be kept', async () => {
    const file = join(directory, 'file')
    await writeFile(file, '')
    await expect(startServer({ port: 0, directory, recordings: file })).rejects.toThrow(file)
  })

  it('says what is wrong with a request', async () => {
    expect((await ask('POST', '/record', '{}', { 'Content-Type': 'application/json' })).status).toBe(415)
    expect((await ask('POST', '/record', 'v=1', SDP)).status).toBe(400)
    expect((await ask('POST', '/record', 'x'.repeat(300_000), SDP)).status).toBe(413)
    const nothing = await ask('POST', '/record', offerOf(['video'], 'recvonly'), SDP)
    expect(nothing).toMatchObject({ status: 400, body: expect.stringContaining('nothing-to-record') })
    const film = await ask('POST', '/play/a.webm', offerOf(['video'], 'recvonly'), SDP)
    expect(film).toMatchObject({ status: 415, body: expect.stringContaining('not-playable') })
    expect((await ask('DELETE', '/calls/none')).status).toBe(404)
  })

  it('answers a call, which can be ended, and leaves no file where nothing came', async () => {
    const answer = await ask('POST', '/record', offerOf(['audio', 'video'], 'sendonly'), SDP)
    expect(answer.status).toBe(201)
    expect(answer.body).toContain('a=recvonly')
    const before = await readdir(directory)
    expect((await ask('DELETE', answer.location!)).status).toBe(200)
    expect((await ask('DELETE', answer.location!)).status).toBe(404)
    expect(await readdir(directory)).toEqual(before)
  })

  it('takes so many calls, and no more', async () => {
    const offer = offerOf(['audio'], 'sendonly')
    const calls: Reply[] = []
    for (let i = 0; i <= MAX_CALLS; i++) calls.push(await ask('POST', '/record', offer, SDP))
    expect(calls.map(({ status }) => status)).toEqual([...Array.from({ length: MAX_CALLS }, () => 201), 503])
    for (const { location } of calls.slice(0, -1)) expect((await ask('DELETE', location!)).status).toBe(200)
  })
})

/** Calls without a socket, and one of them, into which two seconds can be played. */
async function recordedCall(directory: string, kinds: readonly ('audio' | 'video')[] = ['audio', 'video']) {
  const lines: string[] = []
  const calls = new Calls(new Recordings(directory), (line) => lines.push(line))
  const driven: Rtc[] = []
  const peers: CallPeers = {
    addCandidates: () => {},
    add: (rtc) => driven.push(rtc),
    tell: () => {},
    changed: () => {},
  }
  calls.drivenBy(peers)
  const { id } = await calls.record({ type: 'offer', sdp: offerOf(kinds, 'sendonly') })
  const [rtc] = driven
  const [audio, video] = rtc!.medias
  const play = (): void => {
    for (let ms = 0; ms < 2000; ms += 20) {
      calls.handleEvent(rtc!, sound(ms, { mid: audio!.mid }))
      if (ms % 40 !== 0) continue
      const frame = picture(ms, vp8(100, ms === 0 ? [640, 480] : undefined), { mid: video!.mid })
      calls.handleEvent(rtc!, frame)
    }
  }
  return { calls, id, rtc: rtc!, play, lines }
}

describe('a recording that cannot be written', () => {
  it('is told of to the one who ends the call', async () => {
    const directory = join(scratchDirectory(), 'gone')
    const { calls, id, play } = await recordedCall(directory)
    await rm(directory, { recursive: true })
    play()
    await expect(calls.hangUp(id)).rejects.toThrow('ENOENT')
  })
})

describe('a recorder that is killed', () => {
  it('leaves all but the last seconds of sound', async () => {
    const directory = scratchDirectory()
    const { calls, rtc } = await recordedCall(directory, ['audio'])
    const [audio] = rtc.medias
    for (let ms = 0; ms < 20_000; ms += 20) {
      calls.handleEvent(rtc, sound(ms, { mid: audio!.mid, data: new Uint8Array(80).fill(0xfc, 0, 1) }))
    }
    // it is not told that anything is over
    const seconds = async (): Promise<number> => {
      const [name = ''] = await readdir(directory)
      const file = await PlayableFile.open(join(directory, name)).catch(() => undefined)
      let last = 0
      for await (const { time } of file?.packetsFrom(0) ?? []) last = time
      file?.close()
      return last
    }
    await untilMet(seconds, (last) => last >= 14, 'what is in the file')
    calls.handleEvent(rtc, { type: 'closed', reason: 'local' })
    await calls.finished()
    expect(await seconds()).toBeCloseTo(19.98)
  })
})

describe('a page that vanishes', () => {
  it('leaves a file that is whole', async () => {
    const directory = scratchDirectory()
    const { calls, rtc, play, lines } = await recordedCall(directory)
    play()
    // the run loop closes a peer whose way is lost
    calls.handleEvent(rtc, { type: 'closed', reason: 'local' })
    await calls.finished()
    const names = await readdir(directory)
    expect(names).toEqual([expect.stringMatching(/^[\dT-]+-[0-9a-f]{6}\.webm$/)])
    expect(lines).toEqual([expect.stringContaining('"videoFrames":50,"audioPackets":100')])
  })
})
