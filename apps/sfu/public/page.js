// One peer connection: it sends its camera in three sizes (WHIP), or watches what another one sends (WHEP).

const element = (id) => document.getElementById(id)
let connection
/** The address of the call on the server. */
let resource

function allow() {
  for (const id of ['publish', 'watch']) element(id).disabled = connection !== undefined
}

function connectionFor() {
  const peer = new RTCPeerConnection()
  peer.addEventListener('connectionstatechange', () => {
    if (peer !== connection) return
    element('state').textContent = peer.connectionState
    if (peer.connectionState === 'failed') lose(peer, 'The connection is lost')
  })
  connection = peer
  element('message').textContent = ''
  allow()
  return peer
}

/** Tells the server that a call is over: also from a page that goes. */
function end(address) {
  // a server that is gone has no call either
  if (address !== undefined) fetch(address, { method: 'DELETE', keepalive: true }).catch(() => {})
}

/** The call is over, or did not come about: another one can be made. */
function lose(peer, message) {
  if (peer !== connection) return
  peer.close()
  end(resource)
  for (const { track } of peer.getSenders()) track?.stop()
  connection = undefined
  resource = undefined
  element('encoding').disabled = true
  element('state').textContent = 'closed'
  element('message').textContent = message
  allow()
}

async function exchange(peer, path) {
  await peer.setLocalDescription()
  while (peer.iceGatheringState !== 'complete') {
    await new Promise((resolve) => {
      peer.addEventListener('icegatheringstatechange', resolve, { once: true })
    })
  }
  const headers = { 'Content-Type': 'application/sdp' }
  const response = await fetch(path, { method: 'POST', headers, body: peer.localDescription.sdp })
  if (!response.ok) throw new Error((await response.json()).error)
  resource = response.headers.get('Location')
  await peer.setRemoteDescription({ type: 'answer', sdp: await response.text() })
  // this alone tells of a goodbye: the connection stays "connected" until nothing has come for a while
  const { transport } = peer.getSenders()[0]
  transport.addEventListener('statechange', () => {
    if (transport.state === 'closed') lose(peer, 'The server has ended the call')
  })
}

async function publish() {
  const peer = connectionFor()
  try {
    await send(peer)
  } catch (error) {
    lose(peer, error.message)
  }
}

async function send(peer) {
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: true,
    video: { width: 1280, height: 720 },
  })
  element('video').srcObject = stream
  const streams = [stream]
  peer.addTransceiver(stream.getAudioTracks()[0], { direction: 'sendonly', streams })
  peer.addTransceiver(stream.getVideoTracks()[0], {
    direction: 'sendonly',
    streams,
    sendEncodings: [
      { rid: 'q', scaleResolutionDownBy: 4 },
      { rid: 'h', scaleResolutionDownBy: 2 },
      { rid: 'f' },
    ],
  })
  await exchange(peer, '/whip')
}

async function watch() {
  const peer = connectionFor()
  try {
    await receive(peer)
  } catch (error) {
    lose(peer, error.message)
  }
}

async function receive(peer) {
  const media = new MediaStream()
  peer.addEventListener('track', ({ track }) => {
    media.addTrack(track)
    element('video').srcObject = media
  })
  peer.addTransceiver('audio', { direction: 'recvonly' })
  peer.addTransceiver('video', { direction: 'recvonly' })
  await exchange(peer, '/whep')
  element('encoding').disabled = false
}

async function choose() {
  await fetch(`${resource}/encoding/${element('encoding').value}`, { method: 'POST' })
}

element('publish').addEventListener('click', () => void publish())
element('watch').addEventListener('click', () => void watch())
element('encoding').addEventListener('change', () => {
  choose().catch((error) => {
    element('message').textContent = error.message
  })
})
window.addEventListener('pagehide', () => end(resource))
