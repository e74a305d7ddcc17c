"""An aiortc peer (its own ICE, SCTP and RTP in Python, OpenSSL's DTLS) that calls http-post: aiortc_peer.py ADDRESS OPTIONS.

OPTIONS is JSON: `video` and `audio` are codecs to prefer, `echo` is a flag, `messages` are sizes in bytes (`paced`: each after the one
before has come back), `ordered` and `maxRetransmits` are the channel's. With `offer` in place of an address, it answers the offer that
comes in a line of standard input. It goes on until a line `end` comes, or the end of standard input. What happens is printed, a JSON
object a line: what has come so far four times a second, and at last the result.
"""

import asyncio
import json
import sys
import time
import urllib.parse

from aiortc import RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError, VideoStreamTrack

from http_post import request, say


class Picture(VideoStreamTrack):
    """Green pictures of a size of our choosing."""

    async def recv(self):
        frame = await super().recv()
        return frame.reformat(320, 240)


class Peer:
    def __init__(self, options):
        self.options = options
        self.received = {}
        self.messages = []
        self.input = asyncio.StreamReader(limit=1 << 20)
        self.connection = RTCPeerConnection()
        self.connection.on("connectionstatechange", self.on_state)
        self.connection.on("track", self.on_track)
        self.connection.on("datachannel", self.on_channel)

    def add_tracks(self):
        for kind, track in (("video", Picture), ("audio", AudioStreamTrack)):
            codec = self.options.get(kind)
            if codec is None:
                continue
            self.connection.addTrack(track())
            transceiver = next(each for each in self.connection.getTransceivers() if each.kind == kind)
            codecs = RTCRtpSender.getCapabilities(kind).codecs
            wanted = [each for each in codecs if each.mimeType.lower() == f"{kind}/{codec}".lower()]
            transceiver.setCodecPreferences(wanted + [each for each in codecs if each.mimeType.endswith("/rtx")])
        if self.options.get("messages"):
            self.use_channel(
                self.connection.createDataChannel(
                    "from-aiortc",
                    ordered=self.options.get("ordered", True),
                    maxRetransmits=self.options.get("maxRetransmits"),
                )
            )

    def use_channel(self, channel):
        sizes = iter(self.options["messages"])

        def send_next():
            for size in sizes:
                channel.send(bytes(i & 0xFF for i in range(size)))
                if self.options.get("paced"):
                    return

        def on_message(message):
            self.messages.append(["text" if isinstance(message, str) else "binary", len(message)])
            send_next()

        def send():
            say("open", label=channel.label)
            channel.send("hello")
            if not self.options.get("paced"):
                send_next()

        channel.on("message", on_message)
        channel.on("open", send)

    async def on_state(self):
        say("connection", state=self.connection.connectionState)

    def on_channel(self, channel):
        say("channel", label=channel.label)

        @channel.on("message")
        def on_message(message):
            channel.send(message)

        # messages of its own come behind
        for size in self.options.get("messages", []):
            channel.send(bytes(size))

    def on_track(self, track):
        asyncio.ensure_future(self.count(track))

    async def count(self, track):
        entry = self.received.setdefault(track.kind, {"frames": 0})
        try:
            while True:
                frame = await track.recv()
                entry["frames"] += 1
                if track.kind == "video":
                    entry.update(width=frame.width, height=frame.height)
        except MediaStreamError:
            pass

    async def call(self, address):
        self.add_tracks()
        await self.connection.setLocalDescription(await self.connection.createOffer())
        offer = self.connection.localDescription.sdp
        target = address + ("?echo" if self.options.get("echo") else "")
        status, headers, answer = await in_thread(request, "POST", target, offer, "application/sdp")
        say("answer", status=status, offer=offer, answer=answer)
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await self.until_told()
        if self.options.get("hangUp", True):
            status, _, _ = await in_thread(request, "DELETE", urllib.parse.urljoin(address, headers["Location"]))
            say("deleted", status=status)

    async def answer(self):
        offer = json.loads(await self.input.readline())
        await self.connection.setRemoteDescription(RTCSessionDescription(offer["sdp"], "offer"))
        self.add_tracks()
        await self.connection.setLocalDescription(await self.connection.createAnswer())
        say("answer", sdp=self.connection.localDescription.sdp)
        await self.until_told()

    async def read_input(self):
        protocol = asyncio.StreamReaderProtocol(self.input)
        await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)

    async def until_told(self):
        told = asyncio.ensure_future(self.input.readline())
        while not told.done():
            say("progress", **await self.figures())
            await asyncio.wait([told], timeout=0.25)

    async def figures(self):
        """What has come so far, and what the other side's reports say that it has not got."""
        lost = [
            {"packetsLost": each.packetsLost, "kind": each.kind}
            for each in (await self.connection.getStats()).values()
            if each.type == "remote-inbound-rtp"
        ]
        return {"received": self.received, "messages": self.messages, "lost": lost}

    async def finish(self):
        figures = await self.figures()
        started = time.monotonic()
        await self.connection.close()
        say("result", **figures, closing=time.monotonic() - started)


def in_thread(function, *arguments):
    return asyncio.get_running_loop().run_in_executor(None, function, *arguments)


async def main():
    address, options = sys.argv[1], json.loads(sys.argv[2])
    peer = Peer(options)
    await peer.read_input()
    if address == "offer":
        await peer.answer()
    else:
        await peer.call(address)
    await peer.finish()


asyncio.run(main())
