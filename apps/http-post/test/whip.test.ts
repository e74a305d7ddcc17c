import { Candidate, type ChangeSet, DtlsCertificate, Rtc } from '@str0m/rtc'
import { describe, expect, it, onTestFinished } from 'vitest'
import { iceServerLink, parseIceServers } from '../src/ice-servers.ts'
import { parseSettings, type Settings } from '../src/settings.ts'
import { checkWhole, isSameSession } from '../src/whip.ts'
import { fetchFrom } from './https-client.ts'
import { startTestServer, type TestServer, until } from './test-server.ts'

const TOKEN = 'mF_9.B5f-4.1JqM~+/='
const FRAGMENT = 'application/trickle-ice-sdpfrag'
const certificate = DtlsCertificate.generate()

async function start(settings: Partial<Settings> = {}): Promise<TestServer> {
  const server = await startTestServer(settings)
  onTestFinished(() => server.close())
  return server
}

function offerOf(what: (change: ChangeSet) => unknown): string {
  const rtc = new Rtc({ certificate })
  rtc.addLocalCandidate(Candidate.host('127.0.0.1:9', 'udp'))
  const change = rtc.createOffer()
  what(change)
  return change.apply().sdp
}

const audio = offerOf((change) => change.addMedia('audio', 'sendonly'))
const post = (server: TestServer, body: string, headers: Record<string, string> = {}, path = '/') =>
  fetchFrom(server.port, path, { method: 'POST', body, type: 'application/sdp', headers })

describe('a bearer token (RFC 9725 section 4.7.1, RFC 6750)', () => {
  const bearer = (token: string) => ({ Authorization: `Bearer ${token}` })

  it('is asked for by all that changes something, in either form, and by nothing else', async () => {
    const server = await start({ token: TOKEN })
    const made = await post(server, audio, bearer(TOKEN))
    expect(made.status).toBe(201)
    const path = String(made.headers['location'])
    const match = String(made.headers['etag'])
    const patch = { method: 'PATCH', body: 'a=end-of-candidates\r\n', type: FRAGMENT, match }
    const json = { method: 'POST', body: JSON.stringify({ type: 'offer', sdp: audio }) }
    const requests = [
      ['/', json, 200],
      ['/?echo', json, 200],
      [path, json, 200],
      [path, patch, 204],
      [path, { method: 'DELETE' }, 200],
      ['/calls/none', { method: 'DELETE' }, 404],
    ] as const
    for (const [at, request, status] of requests) {
      const refused = await fetchFrom(server.port, at, request)
      expect([refused.status, refused.headers['www-authenticate']]).toEqual([401, 'Bearer realm="str0m"'])
      expect(refused.headers['access-control-allow-origin']).toBe('*')
      expect(refused.headers['location']).toBeUndefined()
      expect((await fetchFrom(server.port, at, { ...request, headers: bearer(TOKEN) })).status).toBe(status)
    }
    for (const at of ['/', '/page.js']) expect((await fetchFrom(server.port, at)).status).toBe(200)
    // a preflight has no token (RFC 9725 section 4.7.1), and is told that it may be sent
    for (const at of ['/', path]) {
      const headers = {
        'Access-Control-Request-Method': 'POST',
        'Access-Control-Request-Headers': 'authorization',
      }
      const preflight = await fetchFrom(server.port, at, { method: 'OPTIONS', headers })
      expect(preflight.status).toBe(200)
      expect(preflight.headers['access-control-allow-headers']).toContain('Authorization')
      expect(preflight.headers['www-authenticate']).toBeUndefined()
    }
  })

  it.each([
    ['another', `Bearer ${TOKEN.replace('m', 'n')}`],
    ['a part of it', `Bearer ${TOKEN.slice(0, 5)}`],
    ['more than it', `Bearer ${TOKEN}x`],
    ['none', 'Bearer'],
    ['two', `Bearer ${TOKEN} ${TOKEN}`],
    ['another scheme', `Basic ${TOKEN}`],
    ['no scheme', TOKEN],
  ])('is refused: %s', async (_, header) => {
    const server = await start({ token: TOKEN })
    const refused = await post(server, audio, { Authorization: header })
    expect(refused.status).toBe(401)
    expect(refused.headers['www-authenticate']).toBe('Bearer realm="str0m", error="invalid_token"')
    expect(server.calls.size).toBe(0)
  })

  it('is of a scheme in any case', async () => {
    const server = await start({ token: TOKEN })
    expect((await post(server, audio, { Authorization: `bearer  ${TOKEN}` })).status).toBe(201)
  })

  it('is not looked at where there is none', async () => {
    const server = await start()
    expect((await post(server, audio, bearer('any'))).status).toBe(201)
  })

  it('comes from a flag or the environment', () => {
    expect(parseSettings([], {})).toMatchObject({ token: undefined })
    expect(parseSettings([], { STR0M_TOKEN: 'a' })).toMatchObject({ token: 'a' })
    expect(parseSettings(['--token', TOKEN], { STR0M_TOKEN: 'a' })).toMatchObject({ token: TOKEN })
    for (const token of ['', ' ', 'a b', 'ä', '=a', 'a"']) {
      expect(() => parseSettings([], { STR0M_TOKEN: token })).toThrow('--token: a token is of letters')
    }
  })
})

describe('STUN and TURN servers (RFC 9725 section 4.6)', () => {
  const text = 'stun:stun.example.net, turns:[2001:db8::1]:443?transport=tcp user my"Pass\\word'
  const iceServers = parseIceServers('--ice-server', text)
  const links =
    '<stun:stun.example.net>; rel="ice-server", <turns:[2001:db8::1]:443?transport=tcp>; rel="ice-server"; ' +
    'username="user"; credential="my\\"Pass\\\\word"; credential-type="password"'

  it('are named by Link, to those who have shown the token', async () => {
    const server = await start({ token: TOKEN, iceServers })
    const headers = { Authorization: `Bearer ${TOKEN}` }
    const made = await post(server, audio, headers)
    expect(made.headers['link']).toBe(links)
    expect(made.headers['access-control-expose-headers']).toContain('Link')
    const json = { method: 'POST', body: JSON.stringify({ type: 'offer', sdp: audio }), headers }
    expect((await fetchFrom(server.port, '/', json)).headers['link']).toBe(links)
    const options = (more: Record<string, string>) =>
      fetchFrom(server.port, '/', { method: 'OPTIONS', headers: more })
    expect((await options(headers)).headers['link']).toBe(links)
    // a preflight is not told, nor is who has no token
    expect((await options({ 'Access-Control-Request-Method': 'POST' })).headers['link']).toBeUndefined()
    expect((await options({})).headers['link']).toBeUndefined()
    expect((await post(server, audio)).headers['link']).toBeUndefined()
  })

  it('are none where none are given', async () => {
    const server = await start()
    expect((await post(server, audio)).headers['link']).toBeUndefined()
  })

  it('come from a flag or the environment', () => {
    expect(parseSettings([], { ICE_SERVER: text })).toMatchObject({ iceServers })
    const [server] = iceServers
    const args = ['--ice-server', 'stun:stun.example.net']
    expect(parseSettings(args, { ICE_SERVER: text })).toMatchObject({ iceServers: [server] })
    expect(iceServerLink({ url: 'stun:a' })).toBe('<stun:a>; rel="ice-server"')
  })

  it.each([
    ['http://a', 'is no address of a STUN or TURN server'],
    ['stun:', 'is no address'],
    ['turn:a?transport=sctp b c', 'is no address'],
    ['stun:a>;x b', 'is no address'],
    ['turn:a', 'is followed by a username and a credential'],
    ['turn:a b', 'is followed by'],
    ['turn:a b c d', 'is followed by'],
    ['turn:a b ü', 'are of ASCII characters'],
    ['stun:a b c', 'takes no username'],
  ])('that are wrong are told: %s', (server, message) => {
    const parse = () => parseSettings(['--ice-server', server], {})
    expect(parse).toThrow(message)
    // what is secret is not printed
    if (server.endsWith('ü')) expect(parse).not.toThrow('ü')
  })
})

describe('an offer of WHIP', () => {
  it('is answered as one that sends (section 4.2), with RTCP on the same port (section 4.4.1)', async () => {
    const server = await start()
    const both = offerOf((change) => {
      change.addMedia('audio', 'sendrecv')
      change.addMedia('video', 'sendonly')
    })
    const { status, text } = await post(server, both)
    expect(status).toBe(201)
    expect(text.match(/^a=(sendrecv|sendonly|recvonly|inactive)$/gm)).toEqual(['a=recvonly', 'a=recvonly'])
    expect(text.match(/^a=rtcp-mux-only$/gm)).toHaveLength(2)
    const echoed = await post(server, both, {}, '/?echo')
    expect(echoed.text.match(/^a=(sendrecv|sendonly|recvonly|inactive)$/gm)).toEqual([
      'a=sendrecv',
      'a=recvonly',
    ])
  })

  it('is refused as a whole where a part of it is (section 4.4.3); as JSON it is answered in part', async () => {
    const server = await start()
    const both = offerOf((change) => {
      change.addMedia('audio', 'sendonly')
      change.addMedia('video', 'sendonly')
    })
    const unknown = both.replaceAll(/(a=rtpmap:\d+ )(VP8|VP9|AV1|H264|H265)\//g, '$1x$2/')
    const outside = both.replace('a=group:BUNDLE 0 1', 'a=group:BUNDLE 0')
    for (const sdp of [unknown, outside, both.replace(/a=group:.*\r\n/, '')]) {
      const refused = await post(server, sdp)
      expect(refused.status).toBe(422)
      expect(JSON.parse(refused.text)).toMatchObject({ code: 'partial-answer' })
      expect(refused.headers['location']).toBeUndefined()
    }
    expect(server.calls.size).toBe(0)
    const body = JSON.stringify({ type: 'offer', sdp: unknown })
    expect((await fetchFrom(server.port, '/', { method: 'POST', body })).status).toBe(200)
  })

  it('is refused where it sends nothing (section 4.2), and where it is no SDP', async () => {
    const server = await start()
    for (const direction of ['recvonly', 'inactive']) {
      const refused = await post(server, audio.replace('a=sendonly', `a=${direction}`))
      expect(refused.status).toBe(422)
      expect(JSON.parse(refused.text)).toMatchObject({ code: 'wrong-direction' })
    }
    expect((await post(server, 'v=1\r\n')).status).toBe(400)
    expect((await post(server, audio.replace(/a=ice-ufrag:.*\r\n/, ''))).status).toBe(422)
  })

  it('says which sections it does not use itself', () => {
    const of = (...sections: string[]) => ({ sdp: ['v=0', ...sections, ''].join('\r\n') })
    const check = (offer: object, answer: object) => () =>
      checkWhole({ type: 'offer', sdp: '', ...offer }, { type: 'answer', sdp: '', ...answer })
    const rejected = of('m=audio 0 x 0')
    expect(check(rejected, rejected)).not.toThrow()
    expect(check(of('m=audio 0 x 0', 'a=bundle-only'), rejected)).toThrow('cannot be taken')
    expect(check(of('m=audio 9 x 0'), of('m=audio 9 x 0', 'a=inactive'))).toThrow('no media goes')
  })

  it('has an address where nothing else is taken, and nothing is to be read (section 4.1)', async () => {
    const server = await start({ whep: true })
    const made = await post(server, audio, {}, '/whip')
    expect(made.status).toBe(201)
    const json = { method: 'POST', body: JSON.stringify({ type: 'offer', sdp: audio }) }
    for (const type of [undefined, 'application/json', 'text/plain']) {
      const refused = await fetchFrom(server.port, '/whip', { ...json, ...(type && { type }) })
      expect([refused.status, refused.headers['accept-post']]).toEqual([415, 'application/sdp'])
    }
    const options = await fetchFrom(server.port, '/whip', { method: 'OPTIONS' })
    expect(options.headers).toMatchObject({
      'accept-post': 'application/sdp',
      allow: 'GET, HEAD, POST, OPTIONS',
    })
    for (const path of ['/whip', '/whep', String(made.headers['location'])]) {
      for (const method of ['GET', 'HEAD']) {
        const { status, text } = await fetchFrom(server.port, path, { method })
        expect([status, text]).toEqual([204, ''])
      }
      expect((await fetchFrom(server.port, path, { method: 'PUT' })).status).toBe(405)
    }
  })

  it('of which nothing can be taken makes no call, as JSON neither: it would never end', async () => {
    const server = await start()
    const unknown = audio.replaceAll(/(a=rtpmap:\d+ )/g, '$1x')
    for (const sdp of [unknown, audio.replace(/m=audio \d+/, 'm=audio 0')]) {
      const refused = await fetchFrom(server.port, '/', {
        method: 'POST',
        body: JSON.stringify({ type: 'offer', sdp }),
      })
      expect(refused.status).toBe(422)
      expect(JSON.parse(refused.text)).toMatchObject({ code: 'nothing-taken' })
    }
    expect(server.calls.size).toBe(0)
  })

  it('goes in as the DTLS client alone too (section 4.4.4)', async () => {
    const server = await start()
    const { status, text } = await post(server, audio.replace('a=setup:actpass', 'a=setup:active'))
    expect(status).toBe(201)
    expect(text).toContain('a=setup:passive')
  })

  it('finds no room where there are as many calls as may be (section 4.5), until one ends', async () => {
    const server = await start({ maxCalls: 2 })
    const paths: string[] = []
    for (let i = 0; i < 2; i++) paths.push(String((await post(server, audio)).headers['location']))
    const full = await post(server, audio)
    expect(full.status).toBe(503)
    expect(Number(full.headers['retry-after'])).toBeGreaterThan(0)
    expect(server.calls.size).toBe(2)
    const json = { method: 'POST', body: JSON.stringify({ type: 'offer', sdp: audio }) }
    expect((await fetchFrom(server.port, '/', json)).status).toBe(503)
    // a call that stands goes on
    expect((await fetchFrom(server.port, paths[0]!, json)).status).toBe(200)
    expect((await fetchFrom(server.port, paths[0]!, { method: 'DELETE' })).status).toBe(200)
    await until(() => server.calls.size === 1, 'room')
    expect((await post(server, audio)).status).toBe(201)
  })

  it('as many as may be are calls, by a flag or the environment', () => {
    expect(parseSettings(['--max-calls', '3'], { MAX_CALLS: '4' })).toMatchObject({ maxCalls: 3 })
    expect(parseSettings([], { MAX_CALLS: '4' })).toMatchObject({ maxCalls: 4 })
    for (const text of ['0', '-1', '', 'x', '1.5']) {
      expect(() => parseSettings([`--max-calls=${text}`], {})).toThrow('is no number above 0')
    }
  })
})

describe('candidates of a fragment', () => {
  it('are left out where they say that they are of another ICE session', async () => {
    expect(isSameSession('candidate:1 1 udp 1 192.0.2.1 9 typ host', 'abcd')).toBe(true)
    expect(isSameSession('candidate:1 1 udp 1 192.0.2.1 9 typ host ufrag abcd network-id 1', 'abcd')).toBe(
      true,
    )
    expect(isSameSession('candidate:1 1 udp 1 192.0.2.1 9 typ host generation 0 ufrag efgh', 'abcd')).toBe(
      false,
    )
    const server = await start()
    const made = await post(server, audio)
    const lines = ['a=candidate:1 1 udp 1 192.0.2.1 9 typ host ufrag efgh', 'a=end-of-candidates', '']
    const match = String(made.headers['etag'])
    const patch = { method: 'PATCH', body: lines.join('\r\n'), type: FRAGMENT, match }
    const path = String(made.headers['location'])
    expect((await fetchFrom(server.port, path, patch)).status).toBe(204)
    // of another transport, and with a name that is not known: left out in silence
    const odd =
      'a=candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype active\r\na=candidate:2 1 udp 1 nowhere.local 9 typ host\r\n'
    expect((await fetchFrom(server.port, path, { ...patch, body: odd })).status).toBe(204)
  })
})
