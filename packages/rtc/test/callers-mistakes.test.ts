import { DEFAULT_CODECS } from '@str0m/sdp'
import { describe, expect, it } from 'vitest'
import { Rtc } from '../src/index.ts'
import { connectedPair } from './harness.ts'

/** What a call throws. */
function refusal(code: string) {
  return expect.objectContaining({ name: 'UsageError', code })
}

describe('a set of changes', () => {
  it('takes no more once it was applied', () => {
    const rtc = new Rtc()
    const change = rtc.createOffer()
    const mid = change.addMedia('audio')
    const { sdp } = change.apply()
    for (const late of [
      () => change.addMedia('video'),
      () => change.addChannel('late'),
      () => change.setDirection(mid, 'sendonly'),
      () => change.stopMedia(mid),
      () => change.iceRestart(),
    ]) {
      expect(late).toThrow(refusal('already-applied'))
    }
    expect(rtc.pendingChanges()!.offer.sdp).toBe(sdp)
  })

  it('offers no section that there is no codec for', () => {
    const rtc = new Rtc({ codecs: DEFAULT_CODECS.filter(({ kind }) => kind === 'audio') })
    const change = rtc.createOffer()
    expect(() => change.addMedia('video')).toThrow(refusal('invalid-option'))
    expect(change.addMedia('audio')).toBe('0')
    expect(change.apply().sdp).not.toContain('m=video')
  })
})

describe('an option', () => {
  it.each<[string, object]>([
    ['a certificate as text', { certificate: '-----BEGIN CERTIFICATE-----' }],
    ['no certificate at all', { certificate: null }],
    ['a crypto that is no provider', { crypto: {} }],
    ['codecs that are no list', { codecs: 5 }],
    ['profiles that are no list', { srtpProfiles: 'AEAD_AES_128_GCM' }],
    ['versions that are no list', { dtlsVersions: 'DTLS 1.2' }],
    ['no wall clock at all', { wallClock: null }],
    ['half a wall clock', { wallClock: { now: 0 } }],
    ['a wall clock that shows nothing', { wallClock: { now: 0, unixTime: Number.NaN } }],
    ['no profile for media, without which nobody connects', { srtpProfiles: [] }],
    ['a setup that is no answer', { dtlsSetup: 'actpass' }],
    ['another feedback', { transportFeedback: 'never' }],
    ['a wait that is no number', { maxReorderWait: Number.NaN }],
    ['a wait below 0', { maxReorderWait: -1 }],
    ['a wait without end', { maxReorderWait: Number.POSITIVE_INFINITY }],
    ['a wall clock beyond all certificates', { wallClock: { now: 0, unixTime: 1e300 } }],
    ['a codec by its name', { codecs: ['opus'] }],
    ['a payload type out of range', { codecs: [{ ...DEFAULT_CODECS[0]!, preferredPt: 128 }] }],
    ['a codec without a clock', { codecs: [{ ...DEFAULT_CODECS[0]!, clockRate: 0 }] }],
  ])('is refused: %s', (_, options) => {
    expect(() => new Rtc(options)).toThrow(refusal('invalid-option'))
  })

  it('may be at its end', () => {
    const codecs = [{ ...DEFAULT_CODECS[0]!, name: 'L16', preferredPt: 0 }]
    expect(new Rtc({ codecs }).closed).toBe(false)
    expect(new Rtc({ codecs: DEFAULT_CODECS }).closed).toBe(false)
    expect(new Rtc({ maxReorderWait: 0, dtlsSetup: 'passive', transportFeedback: 'rfc8888' }).closed).toBe(
      false,
    )
  })
})

describe('a session without descriptions', () => {
  it.each<[string, object]>([
    ['nothing', {}],
    ['no fingerprints', { fingerprints: [], dtlsRole: 'client' }],
    ['one that is no list', { fingerprints: 'sha-256', dtlsRole: 'client' }],
  ])('connects to nobody of whom it knows %s', (_, connection) => {
    expect(() => new Rtc().direct().connect(connection as never)).toThrow(refusal('invalid-option'))
  })
})

describe('what is sent', () => {
  const notBytes = [
    new ArrayBuffer(4),
    new Uint16Array(4),
    [1, 2],
    5,
    undefined,
    null,
  ] as unknown as readonly never[]

  it('is a frame of bytes, at a time', () => {
    const { a, b, pair } = connectedPair({ seed: 301 })
    const { codecs, mid } = a.medias[0]!
    const writer = a.media(mid)!.writer(codecs[0]!.pt)
    const time = { value: 0, clockRate: 48_000 }
    for (const data of [...notBytes, 'text' as never]) {
      expect(() => writer.write(time, data)).toThrow(refusal('invalid-frame'))
    }
    for (const [value, clockRate] of [
      [Number.NaN, 48_000],
      [0, 0],
      [0, Number.POSITIVE_INFINITY],
      [0, undefined as never],
    ] as const) {
      expect(() => writer.write({ value, clockRate }, Uint8Array.of(1))).toThrow(refusal('invalid-time'))
    }
    for (const none of [960, undefined] as unknown as readonly never[]) {
      expect(() => writer.write(none, Uint8Array.of(1))).toThrow(refusal('invalid-time'))
    }
    writer.write(time, Buffer.of(7))
    pair.runFor(200)
    expect(b.statistics.inbound.map(({ packetsReceived }) => packetsReceived)).toEqual([1])
  })

  it('is a packet of bytes', () => {
    const { a } = connectedPair({ seed: 302, a: { rtpMode: true }, b: { rtpMode: true } })
    const { codecs, mid } = a.medias[0]!
    const writer = a.media(mid)!.rtpWriter()
    const fields = { pt: codecs[0]!.pt, sequenceNumber: 1, timestamp: 0 }
    for (const payload of notBytes) {
      expect(() => writer.write(fields, payload)).toThrow(refusal('invalid-packet'))
    }
    for (const none of [undefined, null, 96] as unknown as readonly never[]) {
      expect(() => writer.write(none, Uint8Array.of(1))).toThrow(refusal('invalid-packet'))
    }
    expect(writer.write(fields, Uint8Array.of(1))).toBe(true)
  })

  it('is a message of text or bytes', () => {
    const { a, pair } = connectedPair({ seed: 303, change: (change) => change.addChannel('chat') })
    pair.runUntil(() => a.channels[0]?.state === 'open')
    const channel = a.channels[0]!
    for (const data of notBytes) expect(() => channel.write(data)).toThrow(refusal('invalid-message'))
    expect(channel.bufferedAmount).toBe(0)
    expect(channel.write(Buffer.of(1))).toBe(true)
    expect(channel.bufferedAmount).toBe(1)
  })
})

describe('what a driver gives', () => {
  const source = { address: '192.0.2.2', port: 6000, family: 'IPv4', size: 3 }
  const destination = { address: '192.0.2.1', port: 5000 }
  const datagram = {
    kind: 'receive',
    now: 1,
    proto: 'udp',
    source,
    destination,
    contents: Buffer.of(1, 2, 3),
  }

  it.each<[string, string, object]>([
    ['another kind', 'invalid-input', { kind: 'data' }],
    ['no bytes', 'invalid-input', { contents: undefined }],
    ['text', 'invalid-input', { contents: 'abc' }],
    ['no source', 'invalid-address', { source: undefined }],
    ['no destination', 'invalid-address', { destination: undefined }],
    ['what the socket is bound to', 'invalid-address', { destination: { address: '0.0.0.0', port: 5000 } }],
    ['the same of IPv6', 'invalid-address', { destination: { address: '::', port: 5000 } }],
  ])('is refused: %s', (_, code, wrong) => {
    const rtc = new Rtc()
    expect(() => rtc.handleInput({ ...datagram, ...wrong } as never)).toThrow(refusal(code))
    expect(rtc.statistics.ice.dropped.malformed).toBe(0)
  })

  it.each([undefined, null, 5])('is refused where it is nothing: %s', (input) => {
    expect(() => new Rtc().handleInput(input as never)).toThrow(refusal('invalid-input'))
  })

  it.each([null, 5, 'printer.local'])('is no address of a name: %s', (address) => {
    expect(() => new Rtc().resolveMdns('printer.local', address as never)).toThrow(refusal('invalid-address'))
  })

  it('may be what a socket reports', () => {
    const rtc = new Rtc()
    rtc.handleInput(datagram as never)
    expect(rtc.statistics.ice.dropped.malformed).toBe(1)
  })
})
