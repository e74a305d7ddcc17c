import { describe, expect, it } from 'vitest'
import {
  answerSections,
  dataSection,
  type MediaSection,
  parseSdp,
  sessionDescription,
  writeSdp,
} from '../src/index.ts'
import { fixture } from './support.ts'

const CAPABILITIES = { codecs: [], extensions: { audio: [], video: [] }, maxMessageSize: 262_144 }

/** An offer of nothing but sections for data channels, each changed by one of `edits`. */
function outcomes(...edits: ((section: MediaSection) => void)[]): string[] {
  const offer = sessionDescription('1', '1')
  offer.groups.push({ semantics: 'BUNDLE', mids: edits.map((_, i) => String(i)) })
  edits.forEach((edit, i) => {
    const section = dataSection(String(i), 1000)
    edit(section)
    offer.media.push(section)
  })
  const parsed = parseSdp(writeSdp(offer))
  return answerSections(parsed, CAPABILITIES).sections.map((answer) => {
    return answer.accepted ? 'accepted' : answer.reason
  })
}

describe('sections of data channels', () => {
  for (const browser of ['chromium', 'firefox'] as const) {
    it(`are answered as ${browser} offers them`, () => {
      const offer = parseSdp(fixture(`${browser}-offer`))
      const offered = offer.media.find(({ kind }) => kind === 'application')!
      const answer = answerSections(offer, CAPABILITIES).sections[offer.media.indexOf(offered)]!
      expect(answer.accepted).toBe(true)
      expect(answer.section).toMatchObject({
        kind: 'application',
        protocol: 'UDP/DTLS/SCTP',
        formats: ['webrtc-datachannel'],
        mid: offered.mid,
        sctpPort: 5000,
        maxMessageSize: 262_144,
      })
      const description = sessionDescription('1', '1')
      description.media.push(answer.section)
      expect(parseSdp(writeSdp(description)).media[0]).toEqual(answer.section)
    })
  }

  it('are answered in the form of the drafts where they are offered so', () => {
    const offer = parseSdp(fixture('aiortc-offer'))
    const offered = offer.media.at(-1)!
    expect(offered).toMatchObject({
      protocol: 'DTLS/SCTP',
      formats: ['5000'],
      sctpPort: 5000,
      maxMessageSize: 65_536,
    })
    const { accepted, section } = answerSections(offer, CAPABILITIES).sections[offer.media.indexOf(offered)]!
    expect(accepted).toBe(true)
    const description = sessionDescription('1', '1')
    description.media.push(section)
    const text = writeSdp(description)
    expect(text).toContain('m=application 9 DTLS/SCTP 5000\r\n')
    expect(text).toContain('a=sctpmap:5000 webrtc-datachannel 65535\r\n')
    expect(text).not.toContain('a=sctp-port')
    expect(parseSdp(text).media[0]).toEqual(section)
  })

  it.each([
    ['of another port', 'sctpmap:5001 webrtc-datachannel 65535'],
    ['of something else', 'sctpmap:5000 t38 1'],
    ['without a use', 'sctpmap:5000'],
    ['of a port that is none', 'sctpmap:99999 webrtc-datachannel 65535'],
  ])('are refused with a map %s', (_, attribute) => {
    const edit = (section: MediaSection) => {
      Object.assign(section, {
        protocol: 'DTLS/SCTP',
        formats: ['5000', '99999'],
        attributes: [attribute],
        sctpPort: undefined,
      })
    }
    expect(outcomes(edit)).toEqual(['unsupported-media'])
  })

  it('are refused where they are not wanted, or not understood', () => {
    const as = (change: Partial<MediaSection>) => (section: MediaSection) => {
      Object.assign(section, change)
    }
    expect(outcomes(as({}))).toEqual(['accepted'])
    expect(outcomes(as({ formats: ['5000'] }))).toEqual(['unsupported-media'])
    expect(outcomes(as({ protocol: 'UDP/BFCP' }))).toEqual(['unsupported-protocol'])
    expect(outcomes(as({ sctpPort: 0 }))).toEqual(['rejected-by-offerer'])
    expect(outcomes(as({ port: 0 }))).toEqual(['rejected-by-offerer'])
    expect(outcomes(as({ port: 0, bundleOnly: true }))).toEqual(['accepted'])
  })

  it('one association serves a session', () => {
    const same = (): void => undefined
    expect(outcomes(same, same)).toEqual(['accepted', 'second-association'])
    // what is of the same kind and has no data channels is no association of theirs
    const floorControl = (section: MediaSection): void => {
      section.protocol = 'TCP/DTLS/BFCP'
      section.formats = ['*']
    }
    expect(outcomes(floorControl, same, same)).toEqual([
      'unsupported-media',
      'accepted',
      'second-association',
    ])
  })
})
