import { readFileSync } from 'node:fs'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Candidate } from '../src/index.ts'
import { peerReflexivePriority } from '../src/candidate.ts'

describe('a local candidate', () => {
  test('host', () => {
    const candidate = Candidate.host('192.0.2.1:5000', 'udp')
    expect(candidate).toMatchObject({ type: 'host', address: { address: '192.0.2.1', port: 5000 } })
    expect(candidate.base).toEqual(candidate.address)
    expect(Math.floor(candidate.priority / 2 ** 24)).toBe(126)
    expect(candidate.priority % 256).toBe(255)
    expect(candidate.toString()).toMatch(/^candidate:\d+ 1 udp \d+ 192\.0\.2\.1 5000 typ host$/)
    expect(JSON.stringify({ candidate })).toContain('typ host')
  })

  test('server-reflexive and relayed', () => {
    const reflexive = Candidate.serverReflexive('203.0.113.1:7000', '10.0.0.1:5000')
    expect(reflexive.toString()).toMatch(/203\.0\.113\.1 7000 typ srflx raddr 10\.0\.0\.1 rport 5000$/)
    expect(reflexive.base).toEqual({ address: '10.0.0.1', port: 5000 })
    const relayed = Candidate.relayed('[2001:db8::9]:7000', '203.0.113.1:7000')
    expect(relayed.toString()).toMatch(/2001:db8::9 7000 typ relay raddr 203\.0\.113\.1 rport 7000$/)
    expect(relayed.base).toEqual(relayed.address)
    expect(relayed.priority).toBeLessThan(reflexive.priority)
  })

  test('IPv6 goes before IPv4, both before loopback, and equal ones differ', () => {
    const priorities = ['[2001:db8::1]:1', '192.0.2.1:1', '[::1]:1', '127.0.0.1:1'].map(
      (address) => Candidate.host(address).priority,
    )
    expect(priorities[0]).toBeGreaterThan(priorities[1]!)
    expect(priorities[1]).toBeGreaterThan(priorities[2]!)
    expect(priorities[1]).toBeGreaterThan(priorities[3]!)
    expect(Candidate.host('192.0.2.1:1').priority).not.toBe(Candidate.host('192.0.2.2:1').priority)
    expect(Candidate.host('192.0.2.1:1', 'udp', { localPreference: 65_535 }).priority).toBe(2_130_706_431)
  })

  test('the foundation is by type and base address', () => {
    const of = (address: string): string => Candidate.host(address).foundation
    expect(of('192.0.2.1:1')).toBe(of('192.0.2.1:2'))
    expect(of('192.0.2.1:1')).not.toBe(of('192.0.2.2:1'))
  })

  test('each session has foundations of its own, which group candidates as those of before do', () => {
    const candidates = ['192.0.2.1:1', '192.0.2.1:2', '192.0.2.2:1'].map((address) => Candidate.host(address))
    const [first, second] = ['k3Fq', 'pT7m'].map((ufrag) =>
      candidates.map((candidate) => candidate.ofSession(ufrag).foundation),
    )
    expect([new Set(first).size, new Set(second).size, new Set([...first!, ...second!]).size]).toEqual([
      2, 2, 4,
    ])
    expect(first![0]).toBe(first![1])
    const { foundation, ...fields } = candidates[0]!
    const told = candidates[0]!.ofSession('k3Fq')
    expect(told).toMatchObject(fields)
    expect(Candidate.parse(String(told))?.foundation).toBe(first![0])
    expect(candidates[0]!.foundation).toBe(foundation)
  })

  test('PRIORITY of a check is that of a peer-reflexive candidate', () => {
    const { priority } = Candidate.host('192.0.2.1:1', 'udp', { localPreference: 65_535 })
    expect(peerReflexivePriority(Candidate.host('192.0.2.1:1', 'udp', { localPreference: 65_535 }))).toBe(
      priority - 16 * 2 ** 24,
    )
  })

  test('S17: a mapped address is canonical', () => {
    expect(Candidate.host('[::ffff:192.0.2.1]:5').address).toEqual({ address: '192.0.2.1', port: 5 })
    expect(Candidate.parse('candidate:1 1 udp 1 ::ffff:7f00:1 9 typ host')?.address.address).toBe('127.0.0.1')
  })

  test.each([
    ['invalid-address', () => Candidate.host('192.0.2.1')],
    ['invalid-address', () => Candidate.host('192.0.2.1:0')],
    ['invalid-address', () => Candidate.host({ address: 'host.example', port: 1 })],
    ['invalid-address', () => Candidate.host('0.0.0.0:5000')],
    ['invalid-address', () => Candidate.host('[::]:5000')],
    ['invalid-address', () => Candidate.host(undefined as unknown as string)],
    ['invalid-protocol', () => Candidate.host('192.0.2.1:1', 'sctp' as 'udp')],
    ['invalid-option', () => Candidate.host('192.0.2.1:1', 'udp', { localPreference: 65_536 })],
  ])('%s', (code, make) => {
    expect(make).toThrow(expect.objectContaining({ code }))
  })
})

describe('a line', () => {
  test.each(['chromium-offer.sdp', 'firefox-offer.sdp'])('all of %s', (name) => {
    const sdp = readFileSync(new URL(`fixtures/${name}`, import.meta.url), 'utf8')
    const lines = sdp.split('\n').filter((line) => line.startsWith('a=candidate:'))
    expect(lines.length).toBeGreaterThan(10)
    for (const line of lines) {
      const candidate = Candidate.parse(line)
      expect(candidate).toBeDefined()
      expect(Candidate.parse(candidate!.toString())).toEqual(candidate)
    }
  })

  test('with all that may be in it', () => {
    const line =
      'candidate:a+/9 2 TCP 1518214911 2001:db8::1 9 typ srflx raddr 0.0.0.0 rport 9 tcptype active generation 0 ufrag abcd network-cost 10'
    expect(Candidate.parse(line)).toMatchObject({
      foundation: 'a+/9',
      component: 2,
      protocol: 'tcp',
      priority: 1_518_214_911,
      type: 'srflx',
      relatedAddress: { address: '0.0.0.0', port: 9 },
      tcpType: 'active',
      ufrag: 'abcd',
    })
  })

  test('in capitals: the strings of a grammar have no case, RFC 5234 section 2.3', () => {
    const line = 'a=CANDIDATE:a 1 UDP 1 192.0.2.1 9 TYP SRFLX RADDR 10.0.0.1 RPORT 9 UFRAG aBcD'
    expect(Candidate.parse(line)).toMatchObject({
      foundation: 'a',
      protocol: 'udp',
      type: 'srflx',
      relatedAddress: { address: '10.0.0.1', port: 9 },
      ufrag: 'aBcD',
    })
  })

  test('an mDNS name', () => {
    const name = '1F4712DB-EA17-4BCF-A596-105139DFD8BF.local'
    const candidate = Candidate.parse(`candidate:1 1 udp 2113937151 ${name} 54321 typ host`)!
    expect(candidate.isMdns).toBe(true)
    expect(candidate.address).toEqual({ address: name.toLowerCase(), port: 54_321 })
    expect(candidate.withAddress('192.0.2.7')).toMatchObject({
      address: { address: '192.0.2.7', port: 54_321 },
      isMdns: false,
      priority: 2_113_937_151,
    })
  })

  test.each([
    '',
    'candidate:',
    'candidate:1 1 udp 1 192.0.2.1 9',
    'candidate:1 1 udp 1 192.0.2.1 9 typ',
    'candidate:1 1 udp 1 192.0.2.1 9 typ other',
    'candidate:1 1 sctp 1 192.0.2.1 9 typ host',
    'candidate:1 0 udp 1 192.0.2.1 9 typ host',
    'candidate:1 257 udp 1 192.0.2.1 9 typ host',
    'candidate:1 1 udp 0 192.0.2.1 9 typ host',
    'candidate:1 1 udp 2147483648 192.0.2.1 9 typ host',
    'candidate:1 1 udp 1 192.0.2.1 65536 typ host',
    'candidate:1 1 udp 1 192.0.2.1 -1 typ host',
    'candidate:1 1 udp 1 host.example 9 typ host',
    'candidate:1 1 udp 1 a.b.local 9 typ host',
    'candidate:1_ 1 udp 1 192.0.2.1 9 typ host',
    `candidate:${'1'.repeat(33)} 1 udp 1 192.0.2.1 9 typ host`,
    'candidate:1 1 udp 1 192.0.2.1 9 typ host raddr',
    `candidate:1 1 udp 1 192.0.2.1 9 typ host x ${'y'.repeat(1000)}`,
    'candidate:1 1 udp 1 192.0.2.1 9 typ host\nx',
  ])('that is none: %s', (line) => {
    expect(Candidate.parse(line)).toBeUndefined()
  })

  test('that is no text is none: signalling has what a peer says', () => {
    for (const value of [undefined, null, 1, {}]) {
      expect(Candidate.parse(value as string)).toBeUndefined()
    }
  })

  test('with values that are empty is read without them, and written so that it is read again', () => {
    const candidate = Candidate.parse('candidate:1 1 udp 1 192.0.2.1 9 typ host tcptype  ufrag  x y')
    expect(candidate).toMatchObject({ ufrag: undefined, tcpType: undefined })
    expect(Candidate.parse(candidate!.toString())).toEqual(candidate)
  })

  test('of anything throws nothing, and what is read is written as it was', () => {
    const word = fc.oneof(
      fc.string(),
      fc.constantFrom('udp', 'tcp', '1', '192.0.2.1', '::1', '9', 'typ', 'host', 'srflx', 'x.local', 'raddr'),
    )
    const line = fc.oneof(
      fc.string(),
      fc.array(word, { maxLength: 14 }).map((words) => `candidate:${words.join(' ')}`),
    )
    fc.assert(
      fc.property(line, (text) => {
        const candidate = Candidate.parse(text)
        expect(candidate && Candidate.parse(candidate.toString())).toEqual(candidate)
      }),
      { numRuns: 2000 },
    )
  })
})
