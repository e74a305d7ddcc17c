// A peer on libdatachannel (libjuice, OpenSSL or Mbed TLS, libsrtp, usrsctp) that calls http-post: libdatachannel.mjs ADDRESS OPTIONS. OPTIONS
// is JSON: `messages` are sizes in bytes. A line `pause` on standard input ends the sound; a line `end`, or the end of standard input, ends the
// call. What happens is printed, a JSON object a line: what has come so far four times a second, and at last the result.
import { request } from 'node:https'
import { createInterface } from 'node:readline'
import { Audio, cleanup, PeerConnection, Video } from 'node-datachannel'

const [address, options] = [process.argv[2], JSON.parse(process.argv[3])]
const SSRC = 1234
const OPUS = 111
/** A frame of 20 ms of silence. */
const SILENCE = Buffer.of(0xf8, 0xff, 0xfe)

function say(event, what) {
  console.log(JSON.stringify({ event, ...what }))
}

/** One request; nobody has signed the certificate of a test's server. */
function send(method, url, body = '') {
  return new Promise((resolve, reject) => {
    const headers = body === '' ? {} : { 'Content-Type': 'application/sdp' }
    const sent = request(url, { method, headers, rejectUnauthorized: false }, (response) => {
      let text = ''
      response.on('data', (chunk) => (text += chunk))
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, text }))
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

function rtpPacket(number) {
  const header = Buffer.alloc(12)
  header.writeUInt8(0x80, 0)
  header.writeUInt8(OPUS, 1)
  header.writeUInt16BE(number & 0xffff, 2)
  header.writeUInt32BE(960 * number, 4)
  header.writeUInt32BE(SSRC, 8)
  return Buffer.concat([header, SILENCE])
}

const peer = new PeerConnection('peer', { iceServers: [], maxMessageSize: 262_144 })
const sound = new Audio('audio', 'SendRecv')
sound.addOpusCodec(OPUS)
sound.addSSRC(SSRC, 'name', 'stream', 'sound')
const picture = new Video('video', 'SendOnly')
picture.addH264Codec(96)
picture.addSSRC(SSRC + 1, 'name', 'stream', 'picture')
const track = peer.addTrack(sound)
// held on to: a track that is collected is closed
const silent = peer.addTrack(picture)
const channel = peer.createDataChannel('from-libdatachannel')

const messages = []
let sent = 0
let returned = 0
// reports come the same way
track.onMessage((packet) => {
  if ((packet[1] & 0x7f) === OPUS) returned++
})
channel.onMessage((message) => {
  messages.push(typeof message === 'string' ? ['text', message.length] : ['binary', message.byteLength])
})
channel.onOpen(() => {
  channel.sendMessage('hello')
  for (const size of options.messages) channel.sendMessageBinary(Buffer.alloc(size))
})
peer.onStateChange((state) => say('connection', { state }))

// it began with the channel, and may be over before a listener is there
while (peer.gatheringState() !== 'complete') {
  await new Promise((resolve) => {
    setTimeout(resolve, 20)
  })
}
const offer = peer.localDescription().sdp
const { status, headers, text } = await send('POST', `${address}?echo`, offer)
say('answer', { status, offer, answer: text })
peer.setRemoteDescription(text, 'answer')
const timer = setInterval(() => {
  if (track.isOpen()) track.sendMessageBinary(rtpPacket(sent++))
}, 20)
const figures = () => ({ messages, sent, returned, isVideoOpen: silent.isOpen() })
const progress = setInterval(() => say('progress', figures()), 250)
const input = createInterface({ input: process.stdin })
input.on('line', (line) => {
  if (line === 'pause') clearInterval(timer)
  else if (line === 'end') input.close()
})
input.once('close', async () => {
  clearInterval(timer)
  clearInterval(progress)
  process.stdin.destroy()
  await send('DELETE', new URL(headers.location, address))
  say('result', figures())
  peer.close()
  cleanup()
})
