import { request } from 'node:https'
import { bindUdp, candidateAddresses, Peers } from '@str0m/demo-kit'
import { untilMet } from '@str0m/demo-kit/browsers'
import { type ChangeSet, DtlsCertificate, Rtc } from '@str0m/rtc'
import { describe, expect, it, onTestFinished } from 'vitest'
import { scratchDirectory } from '../../../vitest.scratch.ts'
import { MAX_SUBSCRIBERS } from '../src/room.ts'
import { startServer } from '../src/server.ts'

const certificate = DtlsCertificate.generate()
/** 20 ms of silence, as Opus has it. */
const SILENCE = Uint8Array.of(0xf8, 0xff, 0xfe)

interface Reply {
  readonly status: number
  readonly location: string
  readonly allow: string | undefined
  readonly body: string
}

async function start(): Promise<number> {
  const server = await startServer(0, scratchDirectory())
  onTestFinished(() => server.close())
  return server.port
}

function ask(port: number, method: string, path: string, body = '', type?: string): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const headers = type === undefined ? {} : { 'Content-Type': type }
    const sent = request({ method, port, path, headers, rejectUnauthorized: false }, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => (text += chunk.toString()))
      response.on('end', () => {
        const { location = '', allow } = response.headers
        resolve({ status: response.statusCode!, location, allow, body: text })
      })
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

const post = (port: number, path: string, sdp: string): Promise<Reply> =>
  ask(port, 'POST', path, sdp, 'application/sdp')

function offerOf(what: (change: ChangeSet) => unknown): string {
  const change = new Rtc({ certificate }).createOffer()
  what(change)
  return change.apply().sdp
}

const audio = (direction: 'sendonly' | 'recvonly') => offerOf((change) => change.addMedia('audio', direction))
const withoutOpus = audio('sendonly').replaceAll('opus', 'other')

/** One that sends sound until the test is over. */
async function publish(port: number): Promise<{ reply: Reply; rtc: Rtc; sent: () => number }> {
  const socket = await bindUdp(0)
  const peers = new Peers(socket, candidateAddresses([], socket), () => {})
  const rtc = new Rtc({ certificate })
  peers.addCandidates(rtc)
  const change = rtc.createOffer()
  const mid = change.addMedia('audio', 'sendonly')
  const offer = change.apply()
  peers.add(rtc)
  const reply = await post(port, '/whip', offer.sdp)
  rtc.pendingChanges()!.acceptAnswer({ type: 'answer', sdp: reply.body })
  peers.changed(rtc)
  let count = 0
  const timer = setInterval(() => {
    if (!rtc.connected) return
    peers.tell(rtc)
    const media = rtc.media(mid)!
    media.writer(media.codecs[0]!.pt).write({ value: 960 * count++, clockRate: 48_000 }, SILENCE)
    peers.changed(rtc)
  }, 20)
  onTestFinished(() => {
    clearInterval(timer)
    peers.close()
    socket.close()
  })
  return { reply, rtc, sent: () => count }
}

describe('the server', () => {
  it('refuses an offer of which it can take nothing: such a call would never connect, and so never end', async () => {
    const port = await start()
    for (const [path, sdp] of [
      ['/whip', audio('recvonly')],
      ['/whip', withoutOpus],
      ['/whep', withoutOpus.replace('a=sendonly', 'a=recvonly')],
      ['/whep', audio('sendonly')],
    ] as const) {
      const refused = await post(port, path, sdp)
      expect(refused).toMatchObject({ status: 400, body: expect.stringContaining('nothing-taken') })
    }
  })

  it('takes so many who watch, and more when one has gone', async () => {
    const port = await start()
    const made: Reply[] = []
    for (let i = 0; i <= MAX_SUBSCRIBERS; i++) made.push(await post(port, '/whep', audio('recvonly')))
    expect(made.map(({ status }) => status)).toEqual([
      ...Array.from({ length: MAX_SUBSCRIBERS }, () => 201),
      503,
    ])
    expect((await ask(port, 'DELETE', made[0]!.location)).status).toBe(200)
    expect((await ask(port, 'DELETE', made[0]!.location)).status).toBe(404)
    expect((await post(port, '/whep', audio('recvonly'))).status).toBe(201)
  })

  it('ends the call of the one who publishes, at the address that it was given (RFC 9725 section 4.2)', async () => {
    const port = await start()
    const { reply, rtc, sent } = await publish(port)
    expect(reply.location).toMatch(/^\/publishers\/[\w-]{36}$/)
    await untilMet(sent, (count) => count > 2, 'packets')
    expect((await ask(port, 'DELETE', reply.location)).status).toBe(200)
    await untilMet(
      () => rtc.closed,
      (closed) => closed,
      'the goodbye',
    )
    expect((await ask(port, 'DELETE', reply.location)).status).toBe(404)
  })

  it('says which methods there are', async () => {
    const port = await start()
    expect(await ask(port, 'GET', '/whip')).toMatchObject({ status: 405, allow: 'POST' })
    expect(await ask(port, 'PUT', '/encodings')).toMatchObject({ status: 405, allow: 'GET' })
    expect(await ask(port, 'GET', '/subscribers/none')).toMatchObject({ status: 405, allow: 'DELETE' })
    expect((await ask(port, 'GET', '//')).status).toBe(404)
    expect((await ask(port, 'POST', '/subscribers/none/encoding/q')).status).toBe(404)
  })
})
