import { once } from 'node:events'
import { request } from 'node:https'
import { connect } from 'node:tls'
import {
  createHttpsServer,
  destinationFor,
  listen,
  loadTlsCertificate,
  MAX_BODY,
  pageAddresses,
  readBody,
} from '@str0m/demo-kit'
import { Candidate, Rtc } from '@str0m/rtc'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { scratchDirectory } from '../../../vitest.scratch.ts'
import { parseSettings } from '../src/settings.ts'
import { fetchFrom } from './https-client.ts'
import { startTestServer, type TestServer } from './test-server.ts'

const FRAGMENT = 'application/trickle-ice-sdpfrag'

function offer(): { type: string; sdp: string } {
  const rtc = new Rtc()
  rtc.addLocalCandidate(Candidate.host('127.0.0.1:9', 'udp'))
  const change = rtc.createOffer()
  change.addMedia('audio', 'sendonly')
  return change.apply()
}

describe('the server', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer()
  })
  afterAll(() => server.close())

  it.each([
    ['/', 'text/html'],
    ['/page.js', 'text/javascript'],
    ['/page.css', 'text/css'],
    ['/favicon.ico', 'image/svg+xml'],
  ])('serves %s', async (path, type) => {
    const { status, headers, text } = await fetchFrom(server.port, path)
    expect(status).toBe(200)
    expect(headers['content-type']).toContain(type)
    expect(text.length).toBeGreaterThan(50)
  })

  it('answers an offer as JSON', async () => {
    const made = offer()
    const { status, headers, text } = await fetchFrom(server.port, '/', {
      method: 'POST',
      body: JSON.stringify(made),
    })
    expect(status).toBe(200)
    expect(headers['content-type']).toBe('application/json')
    const answer = JSON.parse(text) as { type: string; sdp: string }
    expect(answer.type).toBe('answer')
    expect(answer.sdp).toContain(`${server.udpPort} typ host`)
    expect(server.calls.size).toBe(1)
  })

  it.each([
    ['nothing', '', 400, 'Post an offer'],
    ['no JSON', 'v=0', 400, 'Post an offer'],
    ['a string', '"v=0"', 400, 'Post an offer'],
    ['null', 'null', 400, 'Post an offer'],
    ['an answer', '{"type":"answer","sdp":"v=0"}', 400, 'Post an offer'],
    ['an offer without SDP', '{"type":"offer"}', 400, 'Post an offer'],
    ['an offer that is no SDP', '{"type":"offer","sdp":"hello"}', 400, 'line 1'],
    [
      'an offer without media',
      '{"type":"offer","sdp":"v=0\\r\\no=- 1 1 IN IP4 0.0.0.0\\r\\ns=-\\r\\nt=0 0\\r\\n"}',
      422,
      'no media',
    ],
    ['too much', 'x'.repeat(MAX_BODY + 1), 413, 'at most'],
  ])('refuses %s with a clear message, and goes on', async (_, body, status, message) => {
    const answer = await fetchFrom(server.port, '/', { method: 'POST', body })
    expect(answer.status).toBe(status)
    expect((JSON.parse(answer.text) as { error: string }).error).toContain(message)
    expect((await fetchFrom(server.port, '/')).status).toBe(200)
  })

  it('gives a call an address, where it is negotiated again, told candidates and ended', async () => {
    const rtc = new Rtc()
    rtc.addLocalCandidate(Candidate.host('127.0.0.1:9', 'udp'))
    const change = rtc.createOffer()
    change.addMedia('audio', 'sendonly')
    const first = await fetchFrom(server.port, '/?echo', {
      method: 'POST',
      body: JSON.stringify(change.apply()),
    })
    const path = String(first.headers['location'])
    expect(path).toMatch(/^\/calls\/[\w-]{36}$/)
    rtc.pendingChanges()!.acceptAnswer(JSON.parse(first.text) as { type: 'answer'; sdp: string })

    const more = rtc.createOffer()
    more.addMedia('video', 'sendonly')
    const second = await fetchFrom(server.port, path, { method: 'POST', body: JSON.stringify(more.apply()) })
    expect(second.status).toBe(200)
    expect((JSON.parse(second.text) as { sdp: string }).sdp).toContain('m=video')

    const fragment = 'a=candidate:1 1 udp 2122194687 127.0.0.1 9 typ host\r\na=end-of-candidates\r\n'
    const type = 'application/trickle-ice-sdpfrag'
    const match = String(first.headers['etag'])
    const patch = { method: 'PATCH', body: fragment, type, match }
    expect((await fetchFrom(server.port, path, patch)).status).toBe(204)
    expect((await fetchFrom(server.port, path, { method: 'PATCH', body: fragment })).status).toBe(415)
    expect((await fetchFrom(server.port, path, { method: 'GET' })).status).toBe(204)
    expect((await fetchFrom(server.port, path, { method: 'PUT' })).status).toBe(405)
    expect((await fetchFrom(server.port, path, { method: 'POST', body: 'x' })).status).toBe(400)

    expect((await fetchFrom(server.port, path, { method: 'DELETE' })).status).toBe(200)
    for (const method of ['POST', 'PATCH', 'DELETE']) {
      expect((await fetchFrom(server.port, path, { method })).status).toBe(404)
    }
  })

  it('speaks WHIP', async () => {
    const { status, headers, text } = await fetchFrom(server.port, '/', {
      method: 'POST',
      body: offer().sdp,
      type: 'application/sdp',
    })
    expect(status).toBe(201)
    expect(headers['content-type']).toBe('application/sdp')
    expect(String(headers['location'])).toMatch(/^\/calls\//)
    expect(text).toMatch(/^v=0\r\n/)
    expect((await fetchFrom(server.port, String(headers['location']), { method: 'DELETE' })).status).toBe(200)
  })

  it('takes candidates of the ICE session that its entity tag names (RFC 9725 section 4.3.2)', async () => {
    const made = offer()
    const { headers } = await fetchFrom(server.port, '/', {
      method: 'POST',
      body: made.sdp,
      type: 'application/sdp; charset=utf-8',
    })
    const path = String(headers['location'])
    const etag = String(headers['etag'])
    expect(etag).toMatch(/^"[\w+/]{4,}"$/)
    expect(headers['accept-patch']).toBe(FRAGMENT)
    const [ufrag, pwd] = made.sdp.match(/a=ice-(?:ufrag|pwd):.*/g)!
    const fragment = `${ufrag}\r\n${pwd}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=candidate:1 1 udp 2122194687 127.0.0.1 9 typ host\r\n`
    const patch = (match: string | undefined, body = fragment) =>
      fetchFrom(server.port, path, { method: 'PATCH', body, type: FRAGMENT, ...(match && { match }) })
    const taken = await patch(etag)
    expect([taken.status, taken.headers['etag']]).toEqual([204, undefined])
    expect((await patch(`"other", ${etag}`)).status).toBe(204)
    expect((await patch('*')).status).toBe(204)
    expect((await patch(undefined)).status).toBe(204)
    expect((await patch('"other"')).status).toBe(412)
    expect((await patch(etag, 'hello')).status).toBe(400)
    // other credentials ask for an ICE restart, which says so
    const other = fragment.replace(/ufrag:.*/, 'ufrag:abcd')
    expect((await patch(etag, other)).status).toBe(412)
    expect((await patch(undefined, other)).status).toBe(428)
  })

  it('restarts ICE by PATCH (RFC 9725 section 4.3.3)', async () => {
    const { headers, text } = await fetchFrom(server.port, '/', {
      method: 'POST',
      body: offer().sdp,
      type: 'application/sdp',
    })
    const path = String(headers['location'])
    const type = FRAGMENT
    const body = 'a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n'
    for (const match of ['*', '"*"']) {
      const restarted = await fetchFrom(server.port, path, {
        method: 'PATCH',
        body: body.replace('abcd', match === '*' ? 'abcd' : 'efgh'),
        type,
        match,
      })
      expect(restarted.status).toBe(200)
      expect(restarted.headers['content-type']).toBe(type)
      expect(restarted.headers['etag']).not.toBe(headers['etag'])
      const ufrag = /a=ice-ufrag:(.*)\r\n/.exec(restarted.text)?.[1]
      expect(text).not.toContain(ufrag)
      expect(restarted.headers['etag']).toBe(`"${ufrag}"`)
      expect(restarted.text).toMatch(/a=ice-pwd:.{24}\r\n/)
      expect(restarted.text).toMatch(
        /^a=ice-options:trickle\r\na=group:BUNDLE 0\r\nm=audio .*\r\na=mid:0\r\na=ice-ufrag:.*\r\na=ice-pwd:.*\r\na=candidate:.* typ host\r\n[^]*\r\na=end-of-candidates\r\n$/,
      )
      const late = { method: 'PATCH', body: 'a=end-of-candidates\r\n', type }
      expect((await fetchFrom(server.port, path, { ...late, match: String(headers['etag']) })).status).toBe(
        412,
      )
      expect(
        (await fetchFrom(server.port, path, { ...late, match: String(restarted.headers['etag']) })).status,
      ).toBe(204)
    }
    // what cannot be a restart leaves the call as it is
    const short = { method: 'PATCH', body: 'a=ice-ufrag:a\r\na=ice-pwd:b\r\n', type, match: '*' }
    expect((await fetchFrom(server.port, path, short)).status).toBe(400)
    expect((await fetchFrom(server.port, path, { method: 'DELETE', match: '"old"' })).status).toBe(200)
  })

  it('lets pages of other servers call (RFC 9725 section 4.2)', async () => {
    const endpoint = await fetchFrom(server.port, '/', { method: 'OPTIONS' })
    expect(endpoint.status).toBe(200)
    expect(endpoint.headers).toMatchObject({
      'accept-post': 'application/sdp, application/json',
      'access-control-allow-origin': '*',
      'access-control-allow-methods': 'GET, HEAD, POST, OPTIONS',
    })
    expect(endpoint.headers['access-control-allow-headers']).toContain('Content-Type')
    const session = await fetchFrom(server.port, '/calls/any', { method: 'OPTIONS' })
    expect(session.status).toBe(200)
    expect(session.headers).toMatchObject({
      'accept-patch': FRAGMENT,
      allow: 'GET, HEAD, POST, PATCH, DELETE, OPTIONS',
    })
    const made = await fetchFrom(server.port, '/', { method: 'POST', body: JSON.stringify(offer()) })
    expect(made.headers['access-control-expose-headers']).toContain('Location')
    expect((await fetchFrom(server.port, String(made.headers['location']), { method: 'HEAD' })).status).toBe(
      204,
    )
  })

  it('says which types it takes', async () => {
    const { status, headers } = await fetchFrom(server.port, '/', {
      method: 'POST',
      body: 'hello',
      type: 'text/plain',
    })
    expect(status).toBe(415)
    expect(headers['accept-post']).toContain('application/sdp')
    const malformed = { method: 'POST', body: 'hello', type: 'application/sdp' }
    expect((await fetchFrom(server.port, '/', malformed)).status).toBe(400)
  })

  it('cuts a body without end', async () => {
    const { status } = await fetchFrom(server.port, '/', {
      method: 'POST',
      body: 'x'.repeat(9 * MAX_BODY),
    }).catch(() => ({ status: 413 }))
    expect(status).toBe(413)
  })

  it('knows what it does not serve', async () => {
    expect((await fetchFrom(server.port, '/../package.json')).status).toBe(404)
    for (const path of ['//', '//[', '//localhost/page.js']) {
      expect((await fetchFrom(server.port, path)).status).toBe(404)
    }
    // a whole address, as a client of a proxy asks for (RFC 9112 section 3.2.2)
    expect((await fetchFrom(server.port, 'https://localhost/page.js')).status).toBe(200)
    expect((await fetchFrom(server.port, 'https://localhost:99999/')).status).toBe(400)
    const { status, headers } = await fetchFrom(server.port, '/', { method: 'PUT' })
    expect(status).toBe(405)
    expect(headers['allow']).toBe('GET, HEAD, POST, OPTIONS')
    expect((await fetchFrom(server.port, '/page.js', { method: 'HEAD' })).text).toBe('')
  })

  it('answers candidates of a call that ends while they come as it answers those of any other', async () => {
    const made = await fetchFrom(server.port, '/', { method: 'POST', body: JSON.stringify(offer()) })
    const path = String(made.headers['location'])
    const status = new Promise<number | undefined>((resolve, reject) => {
      const sent = request(
        {
          port: server.port,
          path,
          method: 'PATCH',
          headers: { 'Content-Type': FRAGMENT, Expect: '100-continue' },
          rejectUnauthorized: false,
        },
        (response) => resolve(response.resume().statusCode),
      )
      sent.on('error', reject)
      // from here on, the server waits for the rest
      sent.once('continue', () => {
        void fetchFrom(server.port, path, { method: 'DELETE' }).then(() =>
          sent.end('a=end-of-candidates\r\n'),
        )
      })
      sent.flushHeaders()
    })
    expect(await status).toBe(404)
  })

  it('says which port is taken', async () => {
    const other = {
      host: '::',
      tcpPort: undefined,
      addresses: [],
      directory: scratchDirectory(),
      token: undefined,
      iceServers: [],
      maxCalls: 1,
      whep: false,
      quiet: true,
    }
    const { startServer } = await import('../src/server.ts')
    await expect(startServer({ ...other, port: server.port, udpPort: 0 }, { log() {} })).rejects.toThrow(
      `Port ${server.port} is taken`,
    )
    await expect(startServer({ ...other, port: 0, udpPort: server.udpPort }, { log() {} })).rejects.toThrow(
      `UDP port ${server.udpPort} is taken`,
    )
    await expect(
      startServer({ ...other, port: 0, udpPort: 0, tcpPort: server.port }, { log() {} }),
    ).rejects.toThrow(`TCP port ${server.port} is taken`)
  })

  it('shows a certificate for both names', async () => {
    const socket = connect({ port: server.port, host: '127.0.0.1', rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    const names = socket.getPeerCertificate().subjectaltname
    socket.destroy()
    expect(names).toBe('DNS:str0m.test, DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1')
  })
})

describe('what goes wrong in answering', () => {
  it('is printed, but not that a client went away in the middle of its offer', async () => {
    const said = vi.spyOn(console, 'error').mockImplementation(() => {})
    onTestFinished(() => said.mockRestore())
    let hasFailed: () => void
    const failed = new Promise<void>((resolve) => {
      hasFailed = resolve
    })
    const https = createHttpsServer(await loadTlsCertificate(scratchDirectory()), async (incoming) => {
      if (incoming.method === 'GET') throw new Error('ours')
      await readBody(incoming).finally(() => hasFailed())
    })
    onTestFinished(() => void https.close())
    const port = await listen(https, 0, '127.0.0.1')
    const headers = { Expect: '100-continue', 'Content-Length': 1000 }
    const sent = request({ port, method: 'POST', headers, rejectUnauthorized: false })
    sent.on('error', () => {})
    sent.flushHeaders()
    await once(sent, 'continue')
    sent.destroy()
    await failed
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
    expect(said).not.toHaveBeenCalled()
    expect((await fetchFrom(port, '/')).status).toBe(500)
    expect(said).toHaveBeenCalledOnce()
  })
})

describe('settings', () => {
  it('come from flags, then from the environment', () => {
    const environment = {
      PORT: '4000',
      HOST: '127.0.0.1',
      UDP_PORT: '5000',
      ADDRESS: '192.0.2.1, ::1',
      WHEP: '1',
    }
    expect(parseSettings([], environment)).toMatchObject({
      port: 4000,
      host: '127.0.0.1',
      udpPort: 5000,
      addresses: ['192.0.2.1', '::1'],
      whep: true,
      quiet: false,
    })
    const args = ['--', '--port', '1', '--host=::1', '--udp-port', '2', '--address', '192.0.2.7', '--quiet']
    expect(parseSettings(args, environment)).toMatchObject({
      port: 1,
      host: '::1',
      udpPort: 2,
      addresses: ['192.0.2.7'],
      quiet: true,
    })
    expect(parseSettings([], {})).toMatchObject({
      port: 3000,
      host: '::',
      udpPort: 0,
      addresses: [],
      whep: false,
    })
    expect(parseSettings(['--whep'], {})).toMatchObject({ whep: true })
    expect(parseSettings(['--help'], {})).toBe('help')
  })

  it.each([
    [['--port', 'abc'], '--port: "abc" is no port'],
    [['--udp-port', '65536'], '--udp-port: "65536" is no port'],
    [['--address', 'localhost'], '--address: "localhost" is no IP address'],
    [['--address', '0.0.0.0'], '--address: "0.0.0.0" is not where a browser could send to'],
    [['--address', '0:0::0'], '--address: "0:0::0" is not where a browser could send to'],
    [['--address', 'fe80::1%eth0'], '--address: "fe80::1%eth0" is not where a browser could send to'],
    [['--host', ''], '--host: give the address to listen on'],
    [['--what'], "Unknown option '--what'"],
  ])('that are wrong are told: %s', (args, message) => {
    expect(() => parseSettings(args, {})).toThrow(message)
  })
})

describe('addresses', () => {
  it('of the page', () => {
    expect(pageAddresses('::', 1)).toEqual(['https://localhost:1/', 'https://str0m.test:1/'])
    expect(pageAddresses('::1', 2)).toEqual(['https://[::1]:2/'])
  })

  it('that a datagram came to are those nearest to its source', () => {
    const own = ['192.0.2.2', 'fd00::2', '127.0.0.1', '::1']
    expect(destinationFor('127.0.0.1', own)).toBe('127.0.0.1')
    expect(destinationFor('192.0.2.77', own)).toBe('192.0.2.2')
    expect(destinationFor('198.51.100.1', own)).toBe('192.0.2.2')
    expect(destinationFor('fd00::99', own)).toBe('fd00::2')
    expect(destinationFor('::1', own)).toBe('::1')
    expect(destinationFor('::1', ['127.0.0.1'])).toBeUndefined()
    expect(destinationFor('nonsense', own)).toBeUndefined()
  })
})
