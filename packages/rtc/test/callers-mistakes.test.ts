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
