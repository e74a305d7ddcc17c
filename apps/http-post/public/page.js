// The page's side of a call: one peer connection, one offer that is posted, one answer.

const element = (id) => document.getElementById(id)
const buttons = { video: element('cam'), audio: element('mic') }
const tracks = { video: undefined, audio: undefined }
const local = new MediaStream()
const remote = new MediaStream()
/** Bytes and time at the last look, by the id of the statistics. */
const seen = new Map()
/** The call that stands, or is being made. */
let connection
/** Its address on the server, where it can be ended. */
let address
let channel
let echo = false
let data = false

function say(message) {
  element('message').textContent = message
}

async function toggle(kind) {
  if (tracks[kind] === undefined) {
    // the browser may ask: pressed again meanwhile, it would give a second one
    buttons[kind].disabled = true
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ [kind]: true })
      ;[tracks[kind]] = stream.getTracks()
    } finally {
      buttons[kind].disabled = false
    }
    local.addTrack(tracks[kind])
  } else {
    tracks[kind].stop()
    local.removeTrack(tracks[kind])
    tracks[kind] = undefined
  }
  // a video element with an empty stream would keep the page loading
  element('local').srcObject = local.getTracks().length === 0 ? null : local
  buttons[kind].setAttribute('aria-pressed', String(tracks[kind] !== undefined))
  allowConnect()
}

function allowConnect() {
  element('connect').disabled = local.getTracks().length === 0 && !data
}

/** What the server asks for where it has a token. `#token=…` fills it in, which is not sent to the server with the page's address. */
function authorization() {
  const token = element('token').value.trim()
  return token === '' ? {} : { Authorization: `Bearer ${token}` }
}

function askForToken() {
  element('token-asked').hidden = false
  element('token').focus()
}

/** The STUN and TURN servers that `Link` names, RFC 9725 section 4.6. */
function iceServersOf(link) {
  const servers = []
  for (const [, urls, rest] of (link ?? '').matchAll(/<([^>]*)>((?:\s*;\s*[\w-]+="(?:[^"\\]|\\.)*")*)/g)) {
    const values = new Map()
    for (const [, name, value] of rest.matchAll(/([\w-]+)="((?:[^"\\]|\\.)*)"/g)) {
      values.set(name, value.replaceAll(/\\(.)/g, '$1'))
    }
    if (values.get('rel') !== 'ice-server') continue
    const server = { urls }
    if (values.has('username')) server.username = values.get('username')
    if (values.has('credential')) server.credential = values.get('credential')
    servers.push(server)
  }
  return servers
}

/** Tells the server the candidates as they are found, RFC 9725 section 4.3.2: one request at a time, with all that there are. */
function trickle(peer, resource, entityTag) {
  let waiting = []
  let busy = false
  const send = async () => {
    if (busy) return
    busy = true
    while (waiting.length > 0) {
      const { sdp } = peer.localDescription
      const [section] = /^m=.*$/m.exec(sdp)
      const common = ['ice-ufrag', 'ice-pwd'].map((name) => new RegExp(`^a=${name}:.*$`, 'm').exec(sdp)[0])
      const [mid] = /^a=mid:.*$/m.exec(sdp)
      const body = [...common, section, mid, ...waiting, ''].join('\r\n')
      waiting = []
      const headers = {
        ...authorization(),
        'Content-Type': 'application/trickle-ice-sdpfrag',
        'If-Match': entityTag,
      }
      // where it fails, the server finds this page by the checks that come from it
      await fetch(resource, { method: 'PATCH', headers, body }).catch(() => {})
    }
    busy = false
  }
  peer.addEventListener('icecandidate', ({ candidate }) => {
    // an empty one ends those of a generation, null ends all
    if (candidate?.candidate === '') return
    waiting.push(candidate === null ? 'a=end-of-candidates' : `a=${candidate.candidate}`)
    setTimeout(guarded(send))
  })
}

/** `?codec=VP9` prefers that codec. */
function preferCodec(transceiver) {
  const wanted = new URLSearchParams(location.search).get('codec')?.toLowerCase()
  if (wanted === undefined || transceiver.sender.track.kind !== 'video') return
  const { codecs } = RTCRtpSender.getCapabilities('video')
  const matches = (codec) => codec.mimeType.toLowerCase() === `video/${wanted}`
  if (!codecs.some(matches)) throw new Error(`This browser does not send ${wanted}`)
  transceiver.setCodecPreferences([...codecs.filter(matches), ...codecs.filter((codec) => !matches(codec))])
}

/** What the server sends back is shown beside the local picture. */
function toggleEcho() {
  echo = !echo
  element('echo').setAttribute('aria-pressed', String(echo))
  element('echoed').hidden = !echo
}

/** Messages go over a data channel, beside the media or alone. */
function toggleData() {
  data = !data
  element('data').setAttribute('aria-pressed', String(data))
  element('chat').hidden = !data
  allowConnect()
}

function openChannel(peer) {
  const opened = peer.createDataChannel('chat')
  channel = opened
  channel.binaryType = 'arraybuffer'
  channel.addEventListener('open', () => allowSending(true))
  channel.addEventListener('close', () => {
    if (opened === channel) allowSending(false)
  })
  channel.addEventListener('message', ({ data: message }) => showMessage('from the server', message))
}

function allowSending(allowed) {
  element('send').disabled = !allowed
  element('send-bytes').disabled = !allowed
}

/** What a message looks like: text as it is, bytes in hexadecimal. */
function showMessage(from, message) {
  const line = document.createElement('li')
  const isText = typeof message === 'string'
  const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ')
  line.textContent = isText
    ? `${from}: ${message}`
    : `${from}: ${message.byteLength} bytes ${hex(new Uint8Array(message).subarray(0, 32))}`
  line.dataset.from = from
  line.dataset.kind = isText ? 'text' : 'binary'
  element('messages').append(line)
}

async function send(asBytes) {
  const text = element('text').value
  const message = asBytes ? new TextEncoder().encode(text) : text
  channel.send(message)
  showMessage('from here', asBytes ? message.buffer : message)
  element('text').value = ''
}

/** Tells the server that a call is over: also from a page that goes. */
function end(resource) {
  const request = { method: 'DELETE', headers: authorization(), keepalive: true }
  // a server that is gone has no call either
  fetch(resource, request).catch(() => {})
}

/** Ends the call, if there is one, on both sides. */
function hangUp() {
  if (connection === undefined) return
  connection.close()
  if (address !== undefined) end(address)
  connection = undefined
  address = undefined
  seen.clear()
  for (const track of remote.getTracks()) remote.removeTrack(track)
  allowSending(false)
  element('state').textContent = 'closed'
}

/** The call is over, but not because of this page: another one can be made. */
function lose(peer, message) {
  if (peer !== connection) return
  hangUp()
  say(message)
  allowConnect()
}

function watchState(peer) {
  peer.addEventListener('connectionstatechange', () => {
    if (peer !== connection) return
    element('state').textContent = peer.connectionState
    if (peer.connectionState === 'failed') lose(peer, 'The connection is lost')
  })
  peer.addEventListener('track', ({ track }) => {
    remote.addTrack(track)
    element('remote').srcObject = remote
  })
}

/** The transport alone tells of a goodbye: the connection stays "connected" until nothing has come for a while. */
function watchGoodbye(peer) {
  const transport = peer.sctp?.transport ?? peer.getSenders()[0]?.transport
  transport?.addEventListener('statechange', () => {
    if (transport.state === 'closed') lose(peer, 'The server has ended the call')
  })
}

async function connect() {
  say('')
  // pressed after a change: a new call takes the place of the one before
  hangUp()
  element('connect').disabled = true
  // RFC 9725 section 4.4.1: all sections share one transport
  const peer = new RTCPeerConnection({ bundlePolicy: 'max-bundle' })
  connection = peer
  element('state').textContent = peer.connectionState
  watchState(peer)
  try {
    await negotiate(peer)
  } catch (error) {
    // what became of a call that another one took the place of does not matter
    if (peer !== connection) return
    hangUp()
    throw error
  }
}

async function negotiate(peer) {
  const direction = echo ? 'sendrecv' : 'sendonly'
  for (const track of local.getTracks()) {
    preferCodec(peer.addTransceiver(track, { direction, streams: [local] }))
  }
  if (data) openChannel(peer)
  const offer = await peer.createOffer()
  const response = await fetch(echo ? '/?echo' : '/', {
    method: 'POST',
    headers: { ...authorization(), 'Content-Type': 'application/json' },
    body: JSON.stringify(offer),
  })
  const answer = await response.json()
  if (response.status === 401) askForToken()
  if (!response.ok) throw new Error(answer.error)
  const resource = response.headers.get('Location')
  if (peer !== connection) {
    end(resource)
    return
  }
  address = resource
  // before candidates are gathered, which begins with the local description
  const iceServers = iceServersOf(response.headers.get('Link'))
  if (iceServers.length > 0) peer.setConfiguration({ ...peer.getConfiguration(), iceServers })
  trickle(peer, resource, response.headers.get('ETag'))
  await peer.setLocalDescription(offer)
  await peer.setRemoteDescription(answer)
  watchGoodbye(peer)
}

function row(cells) {
  const line = document.createElement('tr')
  for (const cell of cells) line.insertCell().textContent = cell
  return line
}

async function showFigures() {
  if (connection === undefined) return
  const report = await connection.getStats()
  const rows = []
  for (const entry of report.values()) {
    if (entry.type !== 'outbound-rtp') continue
    const before = seen.get(entry.id)
    seen.set(entry.id, entry)
    const bits = before === undefined ? 0 : (entry.bytesSent - before.bytesSent) * 8
    const rate = before === undefined ? 0 : bits / (entry.timestamp - before.timestamp)
    const remote = report.get(entry.remoteId)
    rows.push(
      row([
        entry.kind,
        report.get(entry.codecId)?.mimeType.split('/')[1] ?? '',
        entry.frameWidth === undefined ? '' : `${entry.frameWidth}×${entry.frameHeight}`,
        entry.framesSent ?? '',
        entry.packetsSent,
        rate.toFixed(0),
        remote?.packetsLost ?? '',
        remote?.roundTripTime === undefined ? '' : `${(remote.roundTripTime * 1000).toFixed(1)} ms`,
      ]),
    )
  }
  element('tracks').replaceChildren(...rows)
}

function guarded(action) {
  return () => {
    action().catch((error) => {
      say(error.message)
      allowConnect()
    })
  }
}

buttons.video.addEventListener(
  'click',
  guarded(() => toggle('video')),
)
buttons.audio.addEventListener(
  'click',
  guarded(() => toggle('audio')),
)
element('echo').addEventListener('click', toggleEcho)
if (new URLSearchParams(location.search).has('echo')) toggleEcho()
element('data').addEventListener('click', toggleData)
element('token').value = new URLSearchParams(location.hash.slice(1)).get('token') ?? ''
element('chat').addEventListener('submit', (event) => {
  event.preventDefault()
  guarded(() => send(event.submitter === element('send-bytes')))()
})
element('connect').addEventListener('click', guarded(connect))
window.addEventListener('pagehide', hangUp)
setInterval(guarded(showFigures), 1000)
