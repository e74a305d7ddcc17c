// One peer connection: it sends its camera in three sizes (WHIP), or watches what another one sends (WHEP).

const element = (id) => document.getElementById(id)
let subscription

function connectionFor() {
  const peer = new RTCPeerConnection()
  peer.addEventListener('connectionstatechange', () => {
    element('state').textContent = peer.connectionState
  })
  element('publish').disabled = true
  element('watch').disabled = true
  return peer
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
  await peer.setRemoteDescription({ type: 'answer', sdp: await response.text() })
  return response.headers.get('Location')
}

async function publish() {
  const peer = connectionFor()
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
  const media = new MediaStream()
  peer.addEventListener('track', ({ track }) => {
    media.addTrack(track)
    element('video').srcObject = media
  })
  peer.addTransceiver('audio', { direction: 'recvonly' })
  peer.addTransceiver('video', { direction: 'recvonly' })
  subscription = await exchange(peer, '/whep')
  element('encoding').disabled = false
}

async function choose() {
  await fetch(`${subscription}/encoding/${element('encoding').value}`, { method: 'POST' })
}

function guarded(action) {
  return () => {
    action().catch((error) => {
      element('message').textContent = error.message
    })
  }
}

element('publish').addEventListener('click', guarded(publish))
element('watch').addEventListener('click', guarded(watch))
element('encoding').addEventListener('change', guarded(choose))
