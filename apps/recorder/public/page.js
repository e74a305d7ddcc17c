// One peer connection at a time: it sends what is to be recorded (WHIP), or gets what is played (WHEP).

const element = (id) => document.getElementById(id)
const buttons = { video: element('cam'), audio: element('mic') }
const local = new MediaStream()
let peer
/** The address of the call on the server. */
let call
/** Milliseconds in which a browser shows what has come before a goodbye. */
const LINGER = 1000

function say(message) {
  element('message').textContent = message
}

function allow() {
  element('record').disabled = peer !== undefined || local.getTracks().length === 0
  element('stop').disabled = peer === undefined
  for (const button of document.querySelectorAll('#recordings button')) button.disabled = peer !== undefined
}

async function toggle(kind) {
  const track = local.getTracks().find((known) => known.kind === kind)
  if (track === undefined) {
    // the browser may ask: pressed again meanwhile, it would give a second one
    buttons[kind].disabled = true
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ [kind]: true })
      local.addTrack(stream.getTracks()[0])
    } finally {
      buttons[kind].disabled = false
    }
  } else {
    track.stop()
    local.removeTrack(track)
  }
  buttons[kind].setAttribute('aria-pressed', String(track === undefined))
  element('video').srcObject = local.getTracks().length === 0 ? null : local
  allow()
}

/** `?codec=H264` prefers that codec. */
function preferCodec(transceiver) {
  const wanted = new URLSearchParams(location.search).get('codec')?.toLowerCase()
  if (wanted === undefined) return
  const { codecs } = RTCRtpSender.getCapabilities('video')
  const matches = (codec) => codec.mimeType.toLowerCase() === `video/${wanted}`
  if (!codecs.some(matches)) throw new Error(`This browser does not send ${wanted}`)
  transceiver.setCodecPreferences([...codecs.filter(matches), ...codecs.filter((codec) => !matches(codec))])
}

function open() {
  say('')
  const opened = new RTCPeerConnection()
  opened.addEventListener('connectionstatechange', () => {
    if (opened !== peer) return
    element('state').textContent = opened.connectionState
    if (opened.connectionState === 'failed') guarded(() => giveUp('The connection is lost'))()
  })
  peer = opened
  allow()
  return opened
}

async function exchange(path) {
  const caller = peer
  await caller.setLocalDescription()
  while (caller.iceGatheringState !== 'complete') {
    await new Promise((resolve) => {
      caller.addEventListener('icegatheringstatechange', resolve, { once: true })
    })
  }
  const headers = { 'Content-Type': 'application/sdp' }
  const response = await fetch(path, { method: 'POST', headers, body: caller.localDescription.sdp })
  if (!response.ok) throw new Error((await response.json()).error)
  call = response.headers.get('Location')
  await caller.setRemoteDescription({ type: 'answer', sdp: await response.text() })
  // this alone tells of a goodbye: the connection stays "connected" until nothing has come for a while
  const { transport } = caller.getSenders()[0]
  transport.addEventListener('statechange', () => {
    if (transport.state !== 'closed' || caller !== peer) return
    // it is not there any more, to be ended
    call = undefined
    guarded(() => giveUp('The server has ended the call'))()
  })
}

/** The call is over, but not because of this page. */
async function giveUp(message) {
  await stop(LINGER)
  say(message)
}

async function record() {
  const caller = open()
  element('video').srcObject = local
  for (const track of local.getTracks()) {
    const transceiver = caller.addTransceiver(track, { direction: 'sendonly', streams: [local] })
    if (track.kind === 'video') preferCodec(transceiver)
  }
  await exchange('/record')
}

async function play(name) {
  const caller = open()
  const media = new MediaStream()
  caller.addEventListener('track', ({ track }) => {
    media.addTrack(track)
    element('video').srcObject = media
  })
  caller.addTransceiver('audio', { direction: 'recvonly' })
  caller.addTransceiver('video', { direction: 'recvonly' })
  await exchange(`/play/${name}`)
}

async function stop(linger = 0) {
  const [ended, address] = [peer, call]
  peer = undefined
  call = undefined
  try {
    const response = address && (await fetch(address, { method: 'DELETE' }))
    // such as a disk that was full
    if (response && !response.ok) throw new Error((await response.json()).error)
  } finally {
    if (linger === 0) ended?.close()
    else setTimeout(() => ended.close(), linger)
    element('state').textContent = 'closed'
    allow()
  }
  await list()
}

async function list() {
  const { recordings } = await (await fetch('/recordings')).json()
  const lines = recordings.map(({ name, size }) => {
    const line = document.createElement('li')
    const button = document.createElement('button')
    button.textContent = 'Play'
    button.dataset.name = name
    button.addEventListener(
      'click',
      guarded(() => play(name)),
    )
    const link = document.createElement('a')
    link.href = `/recordings/${name}`
    link.textContent = name
    line.append(button, ' ', link, ` ${(size / 1000).toFixed(0)} kB`)
    return line
  })
  element('recordings').replaceChildren(...lines)
  allow()
}

function guarded(action) {
  return () => {
    action().catch((error) => {
      say(error.message)
      if (call === undefined) {
        peer?.close()
        peer = undefined
      }
      allow()
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
element('record').addEventListener('click', guarded(record))
element('stop').addEventListener(
  'click',
  guarded(() => stop()),
)
// a page that goes says so, where it can
window.addEventListener('pagehide', () => {
  if (call !== undefined) void fetch(call, { method: 'DELETE', keepalive: true })
})
guarded(list)()
