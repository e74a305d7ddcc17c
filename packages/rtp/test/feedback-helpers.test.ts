import { describe, expect, it } from 'vitest'
import {
  ExtendedReportTimes,
  isCompoundRtcp,
  KeyframeRequester,
  KeyframeResponder,
  MAX_FIR_SOURCES,
  MAX_REFERENCE_TIMES,
  ntpFromUnix,
  parseRtcp,
  SDES_CNAME,
  writeRtcp,
} from '../src/index.ts'

describe('the round-trip time of one that only receives, RFC 3611 sections 4.4 and 4.5', () => {
  const RECEIVER = 1
  const SENDER = 2
  const START = 1_700_000_000_000

  it('is what passed, less what the peer waited; over the wire', () => {
    const receiver = new ExtendedReportTimes(RECEIVER)
    const sender = new ExtendedReportTimes(SENDER)
    expect(receiver.roundTripTime).toBeUndefined()
    const ask = receiver.blocks(1000, ntpFromUnix(START + 1000), true)
    expect(ask).toHaveLength(1)
    const over = (
      ssrc: number,
      blocks: typeof ask,
    ): Extract<ReturnType<typeof parseRtcp>['packets'][number], { type: 'extendedReport' }> => {
      const [packet] = parseRtcp(writeRtcp([{ type: 'extendedReport', ssrc, blocks }])).packets
      if (packet?.type !== 'extendedReport') throw new Error('no extended report')
      return packet
    }
    sender.handleReport(1030, over(RECEIVER, ask))
    const answer = sender.blocks(1500, ntpFromUnix(START + 1500), false)
    expect(answer).toMatchObject([
      {
        type: 'delaySinceLastReceiverReport',
        reports: [{ ssrc: RECEIVER, delaySinceLastReceiverReport: 30_801 }],
      },
    ])
    receiver.handleReport(1540, over(SENDER, answer))
    expect(receiver.roundTripTime).toBeCloseTo(0.07, 4)
    expect(sender.roundTripTime).toBeUndefined()
    // each is answered once
    expect(sender.blocks(1600, ntpFromUnix(START + 1600), false)).toEqual([])
  })

  it('wrap: is not answered later than 32 bits hold', () => {
    const sender = new ExtendedReportTimes(SENDER)
    const ask = (now: number): void =>
      sender.handleReport(now, {
        type: 'extendedReport',
        ssrc: RECEIVER,
        blocks: [{ type: 'receiverReferenceTime', ntpTime: ntpFromUnix(START + now) }],
      })
    ask(0)
    expect(sender.blocks(65_536_000, ntpFromUnix(START), false)).toEqual([])
    ask(65_536_000)
    expect(sender.blocks(65_537_000, ntpFromUnix(START), false)).toMatchObject([
      { reports: [{ delaySinceLastReceiverReport: 65_536 }] },
    ])
  })

  it('forge: answers to others, to what was never asked, and from the future are not believed', () => {
    const receiver = new ExtendedReportTimes(RECEIVER)
    const [ask] = receiver.blocks(0, ntpFromUnix(START), true)
    if (ask?.type !== 'receiverReferenceTime') throw new Error('no reference time')
    const lastReceiverReport = Number((ask.ntpTime >> 16n) & 0xffff_ffffn)
    const answer = (ssrc: number, last: number, delay: number): void => {
      const reports = [{ ssrc, lastReceiverReport: last, delaySinceLastReceiverReport: delay }]
      receiver.handleReport(100, {
        type: 'extendedReport',
        ssrc: 2,
        blocks: [{ type: 'delaySinceLastReceiverReport', reports }],
      })
    }
    answer(9, lastReceiverReport, 0)
    answer(RECEIVER, 0, 0)
    answer(RECEIVER, lastReceiverReport, 65_536)
    expect(receiver.roundTripTime).toBeUndefined()
    answer(RECEIVER, lastReceiverReport, 0)
    expect(receiver.roundTripTime).toBe(0.1)
  })

  it('exhaust: only so many peers and times of our own are remembered', () => {
    const times = new ExtendedReportTimes(1)
    for (let ssrc = 0; ssrc < 1000; ssrc++) {
      times.handleReport(0, {
        type: 'extendedReport',
        ssrc,
        blocks: [{ type: 'receiverReferenceTime', ntpTime: 5n << 32n }],
      })
    }
    const [delays] = times.blocks(10, 0n, false)
    expect(delays).toMatchObject({ reports: { length: MAX_REFERENCE_TIMES } })
    const first = times.blocks(0, ntpFromUnix(START), true)
    for (let i = 1; i <= 8; i++) times.blocks(i, ntpFromUnix(START + i * 1000), true)
    if (first[0]?.type !== 'receiverReferenceTime') throw new Error('no reference time')
    const reports = [
      {
        ssrc: 1,
        lastReceiverReport: Number((first[0].ntpTime >> 16n) & 0xffff_ffffn),
        delaySinceLastReceiverReport: 0,
      },
    ]
    times.handleReport(50, {
      type: 'extendedReport',
      ssrc: 2,
      blocks: [{ type: 'delaySinceLastReceiverReport', reports }],
    })
    expect(times.roundTripTime).toBeUndefined()
  })
})

describe('a compound', () => {
  const report = { type: 'receiverReport', ssrc: 1, reports: [] } as const
  const names = (type: number) =>
    ({ type: 'sourceDescription', chunks: [{ ssrc: 1, items: [{ type, text: 'x' }] }] }) as const
  const pli = { type: 'pli', senderSsrc: 1, mediaSsrc: 2 } as const

  it('has a report first and a CNAME; without, it is of reduced size (RFC 5506)', () => {
    expect(isCompoundRtcp([report, names(SDES_CNAME), pli])).toBe(true)
    expect(isCompoundRtcp([report, names(2), pli])).toBe(false)
    expect(isCompoundRtcp([report])).toBe(false)
    expect(isCompoundRtcp([pli, report, names(SDES_CNAME)])).toBe(false)
    expect(isCompoundRtcp([pli])).toBe(false)
    expect(isCompoundRtcp([])).toBe(false)
  })
})

describe('requests for keyframes', () => {
  it('are made once in an interval, a FIR with its next number', () => {
    const requester = new KeyframeRequester(100)
    expect(requester.take(0, 'pli', 1, 2)).toEqual({ type: 'pli', senderSsrc: 1, mediaSsrc: 2 })
    expect(requester.allowedAt).toBe(100)
    expect(requester.take(99, 'fir', 1, 2)).toBeUndefined()
    const numbers = Array.from({ length: 257 }, (_, i) => {
      const request = requester.take(100 + 100 * i, 'fir', 1, 2)
      return request?.type === 'fir' ? request.entries[0]?.sequenceNumber : undefined
    })
    expect(numbers).toEqual(Array.from({ length: 257 }, (_, i) => i & 0xff))
    expect([requester.pliCount, requester.firCount]).toEqual([1, 257])
  })

  it('are answered once in an interval, repetitions of a FIR not at all', () => {
    const responder = new KeyframeResponder(100)
    expect(responder.handlePli(0)).toBe(true)
    expect(responder.handlePli(50)).toBe(false)
    // too early, and so not answered yet
    expect(responder.handleFir(60, 1, 7)).toBe(false)
    expect(responder.handleFir(100, 1, 7)).toBe(true)
    expect(responder.handleFir(300, 1, 7)).toBe(false)
    expect(responder.handleFir(300, 2, 7)).toBe(true)
    expect(responder.handleFir(400, 1, 8)).toBe(true)
  })

  it('exhaust: many that ask', () => {
    const responder = new KeyframeResponder(0)
    for (let ssrc = 0; ssrc < 10 * MAX_FIR_SOURCES; ssrc++)
      expect(responder.handleFir(ssrc, ssrc, 1)).toBe(true)
    expect(responder.handleFir(1e6, 10 * MAX_FIR_SOURCES - 1, 1)).toBe(false)
  })

  it.each([-1, Number.NaN, Infinity])('an interval of %d is refused', (interval) => {
    const invalid = expect.objectContaining({ code: 'invalid-option' })
    expect(() => new KeyframeRequester(interval)).toThrow(invalid)
    expect(() => new KeyframeResponder(interval)).toThrow(invalid)
  })
})
