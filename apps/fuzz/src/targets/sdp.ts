import { answerSections, DEFAULT_CODECS, MAX_MEDIA_SECTIONS, parseSdp, SdpError, writeSdp } from '@str0m/sdp'
import { isDeepStrictEqual } from 'node:util'
import { check } from '../check.ts'
import { editDescription, EDIT_SEEDS } from '../descriptions.ts'
import { DESCRIPTIONS } from '../fixtures.ts'
import { FuzzInput, program } from '../input.ts'

// Descriptions: read or refused; what was read is answered, written, and read the same again.

const CAPABILITIES = { codecs: DEFAULT_CODECS, extensions: { audio: [], video: [] } }

export function fuzz(data: Uint8Array): void {
  const input = new FuzzInput(data)
  const text =
    input.below(2) === 0
      ? Buffer.from(input.rest()).toString('utf8')
      : editDescription(input.pick(DESCRIPTIONS), input)
  let parsed
  try {
    parsed = parseSdp(text)
  } catch (error) {
    if (error instanceof SdpError) return
    throw error
  }
  check(parsed.media.length <= MAX_MEDIA_SECTIONS, 'sections are bounded')
  const { sections, shared } = answerSections(parsed, CAPABILITIES)
  check(sections.length === parsed.media.length, 'each section is answered or refused')
  check(
    sections.filter(({ accepted }) => accepted).length <= shared.length,
    'those accepted share a transport',
  )
  const written = writeSdp(parsed)
  const again = parseSdp(written)
  check(isDeepStrictEqual(again, parsed), 'what is written is read the same')
  check(writeSdp(again) === written, 'and written the same')
}

export function seeds(): Uint8Array[] {
  const small = [
    'v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtpmap:111 opus/48000/2\r\n',
    'v=0\r\no=- 1 2 IN IP6 ::1\r\ns=-\r\nt=0 0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=sctp-port:5000\r\na=max-message-size:0\r\n',
  ]
  return [
    ...[...small, ...DESCRIPTIONS].map((text) => program(0, text)),
    ...DESCRIPTIONS.flatMap((_, i) => EDIT_SEEDS.map((edit) => program(1, i, edit))),
  ]
}
