import { describe, expect, it } from 'vitest'
import {
  ntpFromUnix,
  parseRtpHeader,
  SenderClock,
  type SenderReport,
  type StreamCodec,
  StreamRx,
  writeRtpHeader,
} from '../src/index.ts'

const OPUS: StreamCodec = { pt: 111, name: 'opus', clockRate: 48_000, kind: 'audio' }
const PCMU: StreamCodec = { pt: 0, name: 'PCMU', clockRate: 8000, kind: 'audio' }
const VP8: StreamCodec = { pt: 96, name: 'VP8', clockRate: 90_000, kind: 'video' }
/** Some day, as milliseconds since 1970. */
const DAY = 1_800_000_000_000
/** 7 February 2036, 06:28:16 UTC: the seconds of NTP start again (RFC 5905 section 6). */
const NTP_ERA_1 = 2_085_978_496_000

function report(unixTime: number | undefined, rtpTime: number): SenderReport {
  const ntpTime = unixTime === undefined ? 0n : ntpFromUnix(unixTime)
  const counts = { packetCount: 0, octetCount: 0, reports: [] }
  return { type: 'senderReport', ssrc: 5, ntpTime, rtpTime: rtpTime >>> 0, ...counts }
}

/** A frame of one packet. */
function frame(stream: StreamRx, now: number, sequenceNumber: number, timestamp: number, codec: StreamCodec) {
  const datagram = new Uint8Array(16)
  const payloadType = codec.pt
  const fields = {
    marker: true,
    payloadType,
    sequenceNumber,
    timestamp: timestamp >>> 0,
    ssrc: stream.ssrc,
  }
  datagram.set([0x10, 0, 1, 2], writeRtpHeader(datagram, fields))
  stream.handlePacket(now, parseRtpHeader(datagram)!, datagram.subarray(12), codec)
  return stream.pollFrame()
}

describe('the clock of a sender', () => {
  it('is not known before the first report, nor of a sender that has none', () => {
    const clock = new SenderClock()
    expect(clock.captureTime(0, 90_000)).toBeUndefined()
    clock.handleSenderReport(report(undefined, 7))
    expect(clock.captureTime(7, 90_000)).toBeUndefined()
    clock.handleSenderReport(report(DAY, 7))
    expect(clock.captureTime(7, 90_000)).toBeCloseTo(DAY, 3)
    clock.reset()
    expect(clock.captureTime(7, 90_000)).toBeUndefined()
  })

  it('goes with the timestamps before and after a report, in their own rate', () => {
    const clock = new SenderClock()
    clock.handleSenderReport(report(DAY, 1_000_000))
    expect(clock.captureTime(1_000_000 + 48_000, 48_000)).toBeCloseTo(DAY + 1000, 3)
    expect(clock.captureTime(1_000_000 - 24_000, 48_000)).toBeCloseTo(DAY - 500, 3)
    expect(clock.captureTime(1_000_000 + 90, 90_000)).toBeCloseTo(DAY + 1, 3)
  })

  it('wrap: of the timestamps, whether they are unwrapped or not', () => {
    const clock = new SenderClock()
    for (const cycle of [0, 1, 2, 1000, -1]) {
      clock.handleSenderReport(report(DAY, 0xffff_ff00))
      const unwrapped = cycle * 0x1_0000_0000 + 0xffff_ff00
      expect(clock.captureTime(unwrapped, 48_000)).toBeCloseTo(DAY, 3)
      expect(clock.captureTime(unwrapped + 4800, 48_000)).toBeCloseTo(DAY + 100, 3)
      expect(clock.captureTime((unwrapped + 4800) >>> 0, 48_000)).toBeCloseTo(DAY + 100, 3)
      clock.handleSenderReport(report(DAY, 4544))
      expect(clock.captureTime(unwrapped, 48_000)).toBeCloseTo(DAY - 100, 3)
    }
  })

  it('wrap: of the timestamps, in a silence since the report', () => {
    const clock = new SenderClock()
    for (const rate of [8000, 48_000, 90_000]) {
      for (const hours of [1, 6, 7, 11, 13, 20, 25, 100, 1000]) {
        // 100 ppm too slow
        const elapsed = hours * 3_600_000
        const ticks = Math.round((elapsed * rate * 0.9999) / 1000)
        clock.handleSenderReport(report(DAY, 0xffff_ff00))
        const captureTime = clock.captureTime((0xffff_ff00 + ticks) >>> 0, rate, elapsed)!
        expect(captureTime - DAY, `${hours} h at ${rate} Hz`).toBeCloseTo(elapsed * 0.9999, 0)
      }
    }
  })

  it('wrap: of NTP, in 2036', () => {
    const clock = new SenderClock()
    clock.handleSenderReport(report(NTP_ERA_1 - 20, 0))
    expect(clock.captureTime(90 * 40, 90_000)).toBeCloseTo(NTP_ERA_1 + 20, 3)
    clock.handleSenderReport(report(NTP_ERA_1 + 20, 90 * 40))
    expect(clock.captureTime(90 * 40, 90_000)).toBeCloseTo(NTP_ERA_1 + 20, 3)
    expect(clock.captureTime(0, 90_000)).toBeCloseTo(NTP_ERA_1 - 20, 3)
  })
})

describe('frames', () => {
  it('have the time of their capture, those from before the first report not', () => {
    const stream = new StreamRx({ ssrc: 5 })
    expect(stream.captureTime(0)).toBeUndefined()
    stream.handleSenderReport(0, report(DAY, 960))
    expect(stream.captureTime(0)).toBeUndefined()
    expect(frame(stream, 0, 1, 0, OPUS)?.captureTime).toBeCloseTo(DAY - 20, 3)
    expect(stream.captureTime(1920)).toBeCloseTo(DAY + 20, 3)
    const unreported = new StreamRx({ ssrc: 5 })
    expect(frame(unreported, 0, 1, 0, OPUS)).toMatchObject({ captureTime: undefined })
  })

  it('drift: the clock of the samples may run apart from the wall clock, for hours', () => {
    // 200 ppm too fast: after three hours two seconds off; over the wrap of the timestamps
    const stream = new StreamRx({ ssrc: 5 })
    const rate = 90_000 * 1.0002
    const timestampAt = (ms: number) => Math.round(0xfff0_0000 + (ms * rate) / 1000)
    let worst = 0
    for (let ms = 0, i = 0; ms < 3 * 3_600_000; ms += 500, i++) {
      if (i % 10 === 0) stream.handleSenderReport(ms, report(DAY + ms, timestampAt(ms)))
      const { captureTime } = frame(stream, ms, i & 0xffff, timestampAt(ms), VP8)!
      worst = Math.max(worst, Math.abs(captureTime! - (DAY + ms)))
    }
    expect(worst).toBeLessThan(1.1)
    expect(worst).toBeGreaterThan(0.5)
  })

  it.each<[string, StreamCodec]>([
    ['sound', OPUS],
    ['pictures', VP8],
  ])('wrap: %s have their times after a silence of hours, whoever reports first', (_, codec) => {
    const ticksAt = (ms: number): number => Math.round((ms * codec.clockRate * 1.0001) / 1000)
    for (const hours of [1, 6, 7, 12, 13, 14, 24, 26, 27, 200]) {
      const stream = new StreamRx({ ssrc: 5 })
      const first = 0xffff_0000
      const silence = hours * 3_600_000
      for (const ms of [0, 20, 40]) frame(stream, ms, ms / 20, first + ticksAt(ms), codec)
      stream.handleSenderReport(50, report(DAY + 50, first + ticksAt(50)))
      const times = [60, silence, silence + 20].map((ms, i) => {
        const { timestamp, captureTime } = frame(stream, ms, 3 + i, first + ticksAt(ms), codec)!
        return [timestamp - first - ticksAt(ms), Math.abs(captureTime! - DAY - ms) <= 1 + silence / 5000]
      })
      expect(times, `${hours} hours`).toEqual([60, silence, silence + 20].map(() => [0, true]))
    }
  })

  it('of a sender whose clock stands still while it is silent go on from where they were', () => {
    for (const hours of [7, 13, 14, 20, 26, 30]) {
      const stream = new StreamRx({ ssrc: 5 })
      expect(frame(stream, 0, 1, 0xffff_ffff, VP8)?.timestamp).toBe(0xffff_ffff)
      expect(frame(stream, hours * 3_600_000, 2, 2999, VP8)?.timestamp, `${hours} hours`).toBe(0x1_0000_0bb7)
    }
  })

  it('of two streams of one sender are in one time, whatever their clocks and their ways', () => {
    const audio = new StreamRx({ ssrc: 5 })
    const video = new StreamRx({ ssrc: 6 })
    // audio with 100 ppm, each with a timestamp of its own to start from, and reports at other times
    const audioAt = (ms: number) => Math.round(0xffff_0000 + ms * 48 * 1.0001)
    const videoAt = (ms: number) => Math.round(12_345 + ms * 90)
    for (let ms = 0, i = 0; ms < 600_000; ms += 100, i++) {
      if (ms % 5000 === 2000) audio.handleSenderReport(ms + 400, report(DAY + ms, audioAt(ms)))
      if (ms % 1000 === 300) video.handleSenderReport(ms + 20, report(DAY + ms, videoAt(ms)))
      const heard = frame(audio, ms + 400, i & 0xffff, audioAt(ms), OPUS)!.captureTime
      const seen = frame(video, ms + 20, i & 0xffff, videoAt(ms), VP8)!.captureTime
      if (ms < 2000) expect(heard).toBeUndefined()
      else expect(Math.abs(heard! - seen!), `at ${ms} ms`).toBeLessThan(0.6)
    }
  })

  it('of a codec with another clock wait for a report of that clock', () => {
    const stream = new StreamRx({ ssrc: 5 })
    stream.handleSenderReport(0, report(DAY, 0))
    expect(frame(stream, 0, 1, 960, OPUS)?.captureTime).toBeCloseTo(DAY + 20, 3)
    expect(frame(stream, 20, 2, 1_000_000, PCMU)).toMatchObject({ codec: PCMU, captureTime: undefined })
    stream.handleSenderReport(40, report(DAY + 40, 1_000_160))
    expect(frame(stream, 40, 3, 1_000_320, PCMU)?.captureTime).toBeCloseTo(DAY + 60, 3)
  })
})
