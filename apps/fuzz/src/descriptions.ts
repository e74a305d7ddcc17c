import { type FuzzInput, program } from './input.ts'

/** Pieces that attributes are made of, so that edits need not find them letter by letter. */
const WORDS: readonly string[] = [
  '',
  ' ',
  ':',
  '0',
  '-1',
  '65536',
  '4294967296',
  '__proto__',
  '*',
  'é',
  '\t',
  '\0',
  '~',
  ';',
  ',',
  'sendrecv',
  'inactive',
  'UDP/TLS/RTP/SAVPF',
  'webrtc-datachannel',
  'IN IP4 0.0.0.0',
  'rtx/90000',
  'red/48000/2',
  'apt=111',
  'opus/48000/2',
  'VP8/90000',
]

const LINES: readonly string[] = [
  'a=group:BUNDLE 0 1 2',
  'a=group:BUNDLE 1',
  'a=bundle-only',
  'a=rtcp-mux',
  'a=rtcp-rsize',
  'a=sendonly',
  'a=recvonly',
  'a=inactive',
  'a=mid:0',
  'a=mid:1',
  'a=ice-lite',
  'a=ice-options:trickle renomination',
  'a=setup:passive',
  'a=setup:holdconn',
  'a=fingerprint:sha-256 00:11',
  'a=ice-ufrag:abcd',
  'a=ice-pwd:0123456789012345678901',
  'a=rid:h send pt=96;max-width=320',
  'a=rid:l send',
  'a=simulcast:send h;l,~h recv l',
  'a=ssrc:1 cname:x',
  'a=ssrc-group:FID 1 2',
  'a=ssrc-group:SIM 1 2 3',
  'a=extmap:3/sendonly urn:ietf:params:rtp-hdrext:sdes:mid',
  'a=extmap:14 urn:ietf:params:rtp-hdrext:sdes:mid',
  'a=extmap-allow-mixed',
  'a=rtcp-fb:* nack pli',
  'a=fmtp:96 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f',
  'a=rtpmap:96 H264/90000',
  'a=rtpmap:97 rtx/90000',
  'a=fmtp:97 apt=96',
  'a=sctp-port:5000',
  'a=max-message-size:1',
  'a=sctp-init:AQAAAA==',
  'a=candidate:1 1 udp 1 192.0.2.9 5 typ host',
  'a=end-of-candidates',
  'a=msid:- x',
  'b=AS:1',
  'c=IN IP6 ::1',
  'm=audio 9 UDP/TLS/RTP/SAVPF 0 8 111',
  'm=video 0 UDP/TLS/RTP/SAVPF 96 97',
  'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
]

/** Edits at most. */
const MAX_EDITS = 24

/** A description with the edits that the rest of the input says: of lines, and in lines. */
export function editDescription(text: string, input: FuzzInput): string {
  const lines = text.split('\r\n')
  for (let edits = 0; edits < MAX_EDITS && !input.done; edits++) {
    const kind = input.below(8)
    const at = input.u8() % Math.max(lines.length, 1)
    const line = lines[at] ?? ''
    switch (kind) {
      case 0:
        lines.splice(at, 1 + input.below(4))
        break
      case 1:
        lines.splice(input.u8() % (lines.length + 1), 0, line)
        break
      case 2:
        lines.splice(at, 0, input.pick(LINES))
        break
      case 3:
        lines[at] = input.pick(LINES)
        break
      case 4: {
        // one word in place of another
        const words = line.split(/([ :;/,=])/)
        words[input.u8() % words.length] = input.pick(WORDS)
        lines[at] = words.join('')
        break
      }
      case 5: {
        const from = input.u8() % (line.length + 1)
        lines[at] =
          line.slice(0, from) +
          Buffer.from(input.bytes()).toString('latin1') +
          line.slice(from + input.below(8))
        break
      }
      case 6: {
        // a section goes elsewhere
        const start = lines.findIndex((other, i) => i >= at && other.startsWith('m='))
        const next = lines.findIndex((other, i) => i > start && other.startsWith('m='))
        if (start >= 0) {
          const section = lines.splice(start, (next < 0 ? lines.length - 1 : next) - start)
          for (let copies = input.below(3); copies > 0; copies--) lines.splice(-1, 0, ...section)
        }
        break
      }
      default:
        lines[at] = line.replaceAll(/\d+/g, () => String(input.u16()))
    }
  }
  return lines.join('\r\n')
}

/** One of each edit, for seeds. */
export const EDIT_SEEDS: readonly Uint8Array[] = [
  program(),
  program(0, 9, 1),
  program(1, 12, 40),
  program(2, 30, 17, 2, 31, 19),
  program(3, 20, 12),
  program(4, 15, 2, 5),
  program(5, 18, 3, 2, 'xy', 1),
  program(6, 0, 2),
  program(7, 12, 1, 2, 3, 4),
]
