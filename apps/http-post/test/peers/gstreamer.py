"""A GStreamer webrtcbin (libnice, OpenSSL, libsrtp, usrsctp) that calls http-post: gstreamer.py ADDRESS OPTIONS.

OPTIONS is JSON: `video` and `audio` are codecs, `bundle`, `fec`, `nack`, `trickle`, `tcp` (no candidates of UDP), `echo` and `json` (of the offer that is posted) are flags, `messages` are
sizes in bytes. With `offer` in place of an address, it answers the offers that come as lines of standard input. It goes on until a line `end`
comes on standard input, or its end. What happens is printed, a JSON object a line: what has come so far four times a second, and at last the
result.
"""

import json
import re
import sys
import threading
import time
import urllib.parse

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

from http_post import request, say  # noqa: E402

VIDEO = {
    "VP8": ("vp8enc deadline=1 keyframe-max-dist=30 ! rtpvp8pay picture-id-mode=15-bit", 96),
    "VP9": ("vp9enc deadline=1 cpu-used=8 keyframe-max-dist=30 ! rtpvp9pay", 98),
    "H264": (
        "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=30 ! video/x-h264,profile=constrained-baseline"
        " ! rtph264pay config-interval=-1 aggregate-mode=zero-latency",
        102,
    ),
}

AUDIO = {"OPUS": ("opusenc ! rtpopuspay", 111), "PCMU": ("mulawenc ! rtppcmupay", 0)}


class Peer:
    def __init__(self, address, options):
        self.address = address + ("?echo" if options.get("echo") else "")
        self.answers = address == "offer"
        self.options = options
        self.loop = GLib.MainLoop()
        self.received = {}
        self.messages = []
        self.session = None
        self.etag = None
        self.late = []
        self.offered = False
        self.pipeline = Gst.Pipeline()
        self.webrtc = Gst.ElementFactory.make("webrtcbin", "peer")
        if self.options.get("bundle", True):
            self.webrtc.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
        self.pipeline.add(self.webrtc)
        for source in self.sources():
            part = Gst.parse_bin_from_description(source, True)
            self.pipeline.add(part)
            part.link(self.webrtc)
        self.webrtc.connect("on-negotiation-needed", self.on_negotiation_needed)
        self.webrtc.connect("on-ice-candidate", self.on_candidate)
        self.webrtc.connect("pad-added", self.on_pad)
        self.webrtc.connect("on-data-channel", self.on_channel)
        self.webrtc.connect("notify::connection-state", self.on_connection)
        self.webrtc.connect("notify::ice-gathering-state", self.on_gathering)
        self.webrtc.connect("on-new-transceiver", self.on_transceiver)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", lambda _, message: say("error", text=str(message.parse_error())))

    def sources(self):
        if video := self.options.get("video"):
            encoder, payload_type = VIDEO[video]
            yield (
                "videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=15/1 ! queue !"
                f" {encoder} pt={payload_type} !"
                f' capsfilter caps="application/x-rtp,media=video,encoding-name={video},payload={payload_type},clock-rate=90000"'
            )
        if audio := self.options.get("audio"):
            encoder, payload_type = AUDIO[audio]
            samples = self.options.get("samples", 1024)
            yield (
                f"audiotestsrc is-live=true wave=red-noise samplesperbuffer={samples} ! audioconvert ! audioresample ! queue !"
                f" {encoder} pt={payload_type} !"
                f' capsfilter caps="application/x-rtp,media=audio,encoding-name={audio},payload={payload_type}"'
            )

    def start(self):
        self.pipeline.set_state(Gst.State.READY)
        if self.options.get("messages"):
            self.channel = self.webrtc.emit("create-data-channel", "from-gstreamer", None)
            self.channel.connect("on-open", self.on_open)
            self.count(self.channel)
        for transceiver in self.transceivers():
            self.on_transceiver(None, transceiver)
        self.pipeline.set_state(Gst.State.PLAYING)
        # a description that is set before it plays gathers no candidates, then or later
        self.pipeline.get_state(10 * Gst.SECOND)
        GLib.timeout_add(250, self.say_progress)
        threading.Thread(target=self.await_end, daemon=True).start()
        self.loop.run()
        self.pipeline.set_state(Gst.State.NULL)

    def count(self, channel):
        channel.connect("on-message-data", lambda _, data: self.messages.append(("binary", data.get_size())))
        channel.connect("on-message-string", lambda _, text: self.messages.append(("text", len(text))))
        channel.connect("on-error", lambda _, error: say("channel-error", text=str(error)))

    def on_channel(self, _, channel):
        say("channel", label=channel.get_property("label"))
        self.count(channel)

    def transceivers(self):
        found = []
        while True:
            transceiver = self.webrtc.emit("get-transceiver", len(found))
            if transceiver is None:
                return found
            found.append(transceiver)

    def on_transceiver(self, _, transceiver):
        if self.options.get("fec"):
            transceiver.set_property("fec-type", GstWebRTC.WebRTCFECType.ULP_RED)
            transceiver.set_property("fec-percentage", 50)
        if self.options.get("nack"):
            transceiver.set_property("do-nack", True)

    def on_negotiation_needed(self, _):
        # of another thread: the loop runs once the pipeline plays
        GLib.idle_add(self.make_offer)

    def make_offer(self):
        if not self.offered and not self.answers:
            self.offered = True
            self.webrtc.emit("create-offer", None, Gst.Promise.new_with_change_func(self.on_offer, None))
        return GLib.SOURCE_REMOVE

    def on_offer(self, promise, _):
        promise.wait()
        # the reply owns the description: it has to outlive it
        reply = promise.get_reply()
        offer = reply.get_value("offer")
        self.webrtc.emit("set-local-description", offer, Gst.Promise.new())
        if self.options.get("trickle"):
            self.post(offer.sdp.as_text())

    def take_offer(self, sdp):
        offer = self.description(GstWebRTC.WebRTCSDPType.OFFER, sdp)
        self.webrtc.emit("set-remote-description", offer, Gst.Promise.new_with_change_func(self.on_offered, None))
        return GLib.SOURCE_REMOVE

    def on_offered(self, promise, _):
        promise.wait()
        self.webrtc.emit("create-answer", None, Gst.Promise.new_with_change_func(self.on_answer, None))

    def on_answer(self, promise, _):
        promise.wait()
        reply = promise.get_reply()
        answer = reply.get_value("answer")
        self.webrtc.emit("set-local-description", answer, Gst.Promise.new_with_change_func(self.on_answered, None))

    def on_answered(self, promise, _):
        promise.wait()
        GLib.timeout_add(20, self.say_answer)

    def say_answer(self):
        if self.webrtc.get_property("ice-gathering-state") != GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            return GLib.SOURCE_CONTINUE
        say("answer", sdp=self.webrtc.get_property("local-description").sdp.as_text())
        return GLib.SOURCE_REMOVE

    def on_gathering(self, webrtc, _):
        if self.answers:
            return
        complete = webrtc.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE
        if complete and not self.options.get("trickle"):
            self.post(webrtc.get_property("local-description").sdp.as_text())
        elif complete:
            self.late.append("end-of-candidates")
            self.trickle()

    def on_candidate(self, _, index, candidate):
        if self.options.get("trickle"):
            self.late.append(candidate)
            self.trickle()

    def trickle(self):
        if self.session is None:
            return
        lines, self.late = self.late, []
        fragment = "".join(f"a={line}\r\n" for line in lines)
        status, _, text = request("PATCH", self.session, fragment, "application/trickle-ice-sdpfrag", self.etag)
        say("trickled", status=status, count=len(lines), text=text)

    def post(self, sdp):
        as_json = self.options.get("json", False)
        sdp = self.candidates_of(sdp)
        body = json.dumps({"type": "offer", "sdp": sdp}) if as_json else sdp
        status, headers, text = request("POST", self.address, body, "application/json" if as_json else "application/sdp")
        if as_json and status == 200:
            text = json.loads(text)["sdp"]
        say("answer", status=status, offer=sdp, answer=text)
        if status not in (200, 201):
            self.loop.quit()
            return
        self.session = urllib.parse.urljoin(self.address, headers["Location"])
        self.etag = headers.get("ETag")
        answer = self.description(GstWebRTC.WebRTCSDPType.ANSWER, self.candidates_of(text))
        self.webrtc.emit("set-remote-description", answer, Gst.Promise.new())
        self.trickle()

    def candidates_of(self, sdp):
        if not self.options.get("tcp"):
            return sdp
        return re.sub(r"a=candidate:\S+ \d+ udp .*\r\n", "", sdp, flags=re.IGNORECASE)

    def description(self, kind, sdp):
        _, message = GstSdp.SDPMessage.new()
        GstSdp.sdp_message_parse_buffer(sdp.encode(), message)
        return GstWebRTC.WebRTCSessionDescription.new(kind, message)

    def on_connection(self, webrtc, _):
        say("connection", state=webrtc.get_property("connection-state").value_nick)

    def on_open(self, channel):
        say("open", label=channel.get_property("label"))
        threading.Thread(target=self.send_messages).start()

    def send_messages(self):
        self.channel.emit("send-string", "hello")
        for size in self.options["messages"]:
            self.channel.emit("send-data", GLib.Bytes.new(bytes(i & 0xFF for i in range(size))))
            time.sleep(0.05)

    def on_pad(self, _, pad):
        if pad.get_direction() != Gst.PadDirection.SRC:
            return
        decoder = Gst.ElementFactory.make("decodebin")
        decoder.connect("pad-added", self.on_decoded)
        self.pipeline.add(decoder)
        decoder.sync_state_with_parent()
        pad.link(decoder.get_static_pad("sink"))

    def on_decoded(self, _, pad):
        sink = Gst.ElementFactory.make("fakesink")
        sink.set_property("sync", False)
        self.pipeline.add(sink)
        sink.sync_state_with_parent()
        pad.link(sink.get_static_pad("sink"))
        pad.add_probe(Gst.PadProbeType.BUFFER, self.on_buffer)

    def on_buffer(self, pad, _):
        caps = pad.get_current_caps().get_structure(0)
        kind = caps.get_name().split("/")[0]
        entry = self.received.setdefault(kind, {"buffers": 0})
        entry["buffers"] += 1
        if kind == "video":
            entry["width"] = caps.get_int("width")[1]
            entry["height"] = caps.get_int("height")[1]
        return Gst.PadProbeReturn.OK

    def await_end(self):
        for line in sys.stdin:
            if line.strip() == "end":
                break
            GLib.idle_add(self.take_offer, json.loads(line)["sdp"])
        GLib.idle_add(self.finish)

    def say_progress(self):
        say("progress", **self.figures())
        return GLib.SOURCE_CONTINUE

    def figures(self):
        # copies: other threads go on counting
        return {"received": {kind: dict(entry) for kind, entry in list(self.received.items())}, "messages": list(self.messages)}

    def finish(self):
        if self.session is not None:
            status, _, _ = request("DELETE", self.session)
            say("deleted", status=status)
        say("result", **self.figures())
        self.loop.quit()


Gst.init(None)
Peer(sys.argv[1], json.loads(sys.argv[2])).start()
