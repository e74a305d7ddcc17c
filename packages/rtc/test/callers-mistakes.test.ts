import { DEFAULT_CODECS } from '@str0m/sdp'
import { describe, expect, it } from 'vitest'
import { Rtc } from '../src/index.ts'

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
    ['half a wall clock', { wallClock: { now: 0 } }],
    ['a wall clock that shows nothing', { wallClock: { now: 0, unixTime: Number.NaN } }],
    ['no profile for media, without which nobody connects', { srtpProfiles: [] }],
    ['a setup that is no answer', { dtlsSetup: 'actpass' }],
    ['another feedback', { transportFeedback: 'never' }],
    ['a wait that is no number', { maxReorderWait: Number.NaN }],
    ['a wait below 0', { maxReorderWait: -1 }],
  ])('is refused: %s', (_, options) => {
    expect(() => new Rtc(options)).toThrow(refusal('invalid-option'))
  })

  it('may be at its end', () => {
    expect(new Rtc({ maxReorderWait: 0, dtlsSetup: 'passive', transportFeedback: 'rfc8888' }).closed).toBe(
      false,
    )
  })
})
