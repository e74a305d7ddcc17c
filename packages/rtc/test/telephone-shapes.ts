import type { Shape } from './foreign-shapes.ts'

// What telephones that speak SIP offer, as they were seen to write it. Keys and addresses are made up.

const FINGERPRINT = '8B:B2:9A:08:E1:45:ED:9B:'.repeat(4).slice(0, -1)
const AUDIO = [
  'm=audio 31018 UDP/TLS/RTP/SAVPF 96 97 0 8 18 99 101',
  'a=rtpmap:96 opus/48000/2',
  'a=fmtp:96 useinbandfec=1',
  'a=rtpmap:97 speex/16000',
  'a=fmtp:97 vbr=on',
  'a=fmtp:18 annexb=yes',
  'a=rtpmap:99 telephone-event/48000',
  'a=rtpmap:101 telephone-event/8000',
]
const VIDEO = ['m=video 31128 UDP/TLS/RTP/SAVPF 96', 'a=rtpmap:96 VP8/90000']
const VIDEO_FEEDBACK = ['nack pli', 'nack sli', 'ack rpsi', 'ccm fir'].map((type) => `a=rtcp-fb:96 ${type}`)

/** What a section of Linphone's says of its transport, and of the feedback that it takes. */
function linphoneTransport(port: number, ssrc: number, mid?: string): string[] {
  return [
    'a=setup:actpass',
    `a=fingerprint:SHA-256 ${FINGERPRINT}`,
    `a=ssrc:${ssrc} cname:sip:telephone@203.0.113.31`,
    'a=rtcp-mux',
    ...(mid === undefined ? [] : [`a=mid:${mid}`, 'a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid']),
    `a=candidate:1 1 UDP 2130706303 203.0.113.31 ${port} typ host`,
    `a=candidate:1 2 UDP 2130706302 203.0.113.31 ${port + 1} typ host`,
    `a=candidate:2 1 UDP 2130706431 2001:db8::31 ${port} typ host`,
    `a=candidate:2 2 UDP 2130706430 2001:db8::31 ${port + 1} typ host`,
    'a=rtcp-fb:* trr-int 5000',
    'a=rtcp-fb:* ccm tmmbr',
  ]
}

function linphone(group: readonly string[], [audio, video]: readonly (string | undefined)[]): string[] {
  return [
    'v=0',
    'o=telephone 3805 1665 IN IP6 2001:db8::31',
    's=Talk',
    'c=IN IP6 2001:db8::31',
    't=0 0',
    'a=ice-pwd:34d400e8e30c18a289421240',
    'a=ice-ufrag:020da1f3',
    'a=rtcp-xr:rcvr-rtt=all:10000 stat-summary=loss,dup,jitt,TTL voip-metrics',
    ...group,
    ...AUDIO,
    ...linphoneTransport(31_018, 874_147_046, audio),
    ...VIDEO,
    ...linphoneTransport(31_128, 3_705_627_087, video),
    ...VIDEO_FEEDBACK,
    '',
  ]
}

export const LINPHONE: Shape = {
  name: 'Linphone 5.1: credentials of the session, its certificate in each section, feedback for all formats',
  lines: linphone(['a=group:BUNDLE as vs'], ['as', 'vs']),
  answered: ['96 0 8 99 101 sendrecv 1', '96 sendrecv 1'],
  group: 'as vs',
}

export const LINPHONE_UNBUNDLED: Shape = {
  name: 'Linphone 5.1, as it is set up: no BUNDLE, no mid',
  lines: linphone([], [undefined, undefined]),
  answered: ['96 0 8 99 101 sendrecv', '-'],
}

/** `rtcpMux`: its setting; it is off unless it is switched on. */
function baresip(rtcpMux: boolean): string[] {
  return [
    'v=0',
    'o=- 2620107586 348447580 IN IP4 203.0.113.32',
    's=-',
    'c=IN IP4 203.0.113.32',
    't=0 0',
    'a=tool:baresip 1.0.0',
    'a=ice-ufrag:6snloQ8',
    'a=ice-pwd:NZnyAzpScjxxn9YCE432CkxIlFjsK9I',
    'a=setup:actpass',
    `a=fingerprint:SHA-256 ${FINGERPRINT}`,
    'm=audio 5440 UDP/TLS/RTP/SAVPF 0 96 101',
    'c=IN IP4 203.0.113.32',
    'a=rtpmap:0 PCMU/8000',
    'a=rtpmap:96 opus/48000/2',
    'a=fmtp:96 stereo=1;sprop-stereo=1;maxaveragebitrate=28000',
    'a=rtpmap:101 telephone-event/8000',
    'a=fmtp:101 0-15',
    ...(rtcpMux ? [] : ['a=rtcp:5441 IN IP4 203.0.113.32']),
    'a=sendrecv',
    'a=label:1',
    'a=rtcp-rsize',
    'a=ssrc:887818704 cname:sip:telephone@203.0.113.32',
    ...(rtcpMux ? ['a=rtcp-mux'] : []),
    'a=minptime:20',
    'a=ptime:20',
    'a=candidate:c0000202 1 UDP 2113929471 203.0.113.32 5440 typ host',
    ...(rtcpMux ? [] : ['a=candidate:c0000202 2 UDP 2113929470 203.0.113.32 5441 typ host']),
    '',
  ]
}

export const BARESIP: Shape = {
  name: 'baresip 1.0: all but the candidates at the session level, no mid',
  lines: baresip(true),
  answered: ['0 96 101 sendrecv'],
}

export const BARESIP_UNMULTIPLEXED: Shape = {
  name: 'baresip 1.0, as it is set up: RTCP on a port of its own',
  lines: baresip(false),
  answered: ['-'],
}

const ASTERISK_FEEDBACK = ['transport-cc', 'ccm fir', 'goog-remb', 'nack'].map(
  (type) => `a=rtcp-fb:* ${type}`,
)

/** What a section of Asterisk's says of its transport, once the connection stands: the first alone has its candidates. */
function asteriskTransport(candidates: boolean): string[] {
  return [
    'a=connection:existing',
    'a=setup:actpass',
    `a=fingerprint:SHA-256 ${FINGERPRINT}`,
    'a=ice-ufrag:0f6d1c7be0a94e1d5a4f83b2c96e7d18',
    'a=ice-pwd:7c1e90f4b8a24d63e5f71a0c2d9b8e46',
    ...(candidates ? ['a=candidate:Hcb007121 1 UDP 2130706431 203.0.113.33 20002 typ host'] : []),
  ]
}

function asteriskVideo(direction: string, ssrc: number, ...end: readonly string[]): string[] {
  return [
    'm=video 20002 UDP/TLS/RTP/SAVPF 96 102 98',
    ...asteriskTransport(false),
    'a=rtpmap:96 VP8/90000',
    'a=rtpmap:102 H264/90000',
    'a=fmtp:102 packetization-mode=1;level-asymmetry-allowed=1;profile-level-id=42001F',
    'a=rtpmap:98 VP9/90000',
    `a=${direction}`,
    'a=rtcp-mux',
    `a=ssrc:${ssrc} cname:9c0d6f1e-3b57-4a86-8e42-d17f5a0b${ssrc % 10_000}`,
    `a=msid:5e8a2b1c-7d94-4f06-b3e1-0a6c9d2f8e75 1b7f3c9e-${ssrc % 10_000}-4d28-a5e6-8c0b4f9d7a13`,
    ...end,
  ]
}

export const ASTERISK: Shape = {
  name: 'Asterisk 22, once another has joined the room: feedback for all formats, a section whose mid is at its end',
  lines: [
    'v=0',
    'o=- 5552086731 4 IN IP4 203.0.113.33',
    's=Asterisk',
    'c=IN IP4 203.0.113.33',
    't=0 0',
    'a=msid-semantic:WMS *',
    'a=group:BUNDLE 0 1 video-2',
    'm=audio 20002 UDP/TLS/RTP/SAVPF 111 0 101 113',
    ...asteriskTransport(true),
    'a=rtpmap:111 opus/48000/2',
    'a=rtpmap:0 PCMU/8000',
    'a=rtpmap:101 telephone-event/48000',
    'a=fmtp:101 0-16',
    'a=rtpmap:113 telephone-event/8000',
    'a=fmtp:113 0-16',
    'a=ptime:20',
    'a=maxptime:60',
    'a=sendrecv',
    'a=rtcp-mux',
    'a=ssrc:1587998643 cname:2dbb92d8-84f9-4ccf-91ca-6608950be928',
    'a=msid:807d0f40-0115-4222-a5d6-4cffce2ffce0 da7f97e5-0f33-42e9-b01a-c44d9eeea50f',
    'a=rtcp-fb:* transport-cc',
    'a=mid:0',
    ...asteriskVideo('sendrecv', 382843027, ...ASTERISK_FEEDBACK, 'a=mid:1'),
    ...asteriskVideo(
      'sendonly',
      181191087,
      'a=label:1796042144.73',
      ...ASTERISK_FEEDBACK,
      'a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
      'a=mid:video-2',
    ),
    '',
  ],
  answered: ['111 0 101 113 sendrecv', '96 102 98 sendrecv', '96 102 98 recvonly'],
  group: '0 1 video-2',
}
