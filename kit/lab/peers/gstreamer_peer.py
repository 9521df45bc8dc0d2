"""GStreamer's webrtcbin in a room that goes through the media server: sends a lime picture and 700 Hz, tells what it sees and hears.

    /usr/bin/python3 kit/lab/peers/gstreamer_peer.py URL TOKEN

It leaves when its standard input ends. All that it needs is Debian's.
"""

import array
import asyncio
import hashlib
import os
import re
import ssl
import subprocess
import sys
import threading
import traceback

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC

from room import Senses, enter, orders, tell

# One colour, and something that moves before it.
SEND = """
webrtcbin name=end bundle-policy=max-bundle
audiotestsrc is-live=true wave=sine freq=700 volume=0.3 ! audioconvert ! audioresample ! opusenc
  ! rtpopuspay pt=111 ! application/x-rtp,media=audio,encoding-name=OPUS,payload=111,clock-rate=48000,encoding-params=(string)2 ! queue ! end.
videotestsrc is-live=true pattern=ball background-color=0xff00ff00 foreground-color=0xffffffff
  ! video/x-raw,width=320,height=240,framerate=15/1 ! vp8enc deadline=1 keyframe-max-dist=60
  ! rtpvp8pay pt=96 picture-id-mode=2 ! application/x-rtp,media=video,encoding-name=VP8,payload=96,clock-rate=90000 ! queue ! end.
"""
SEE = "rtpvp8depay ! vp8dec ! videoconvert ! videoscale ! video/x-raw,format=RGB,width=16,height=12 ! appsink name=out emit-signals=true sync=false"
HEAR = "rtpopusdepay ! opusdec ! audioconvert ! audioresample ! audio/x-raw,format=S16LE,channels=1,rate=48000 ! appsink name=out emit-signals=true sync=false"
OFFER, ANSWER = GstWebRTC.WebRTCSDPType.OFFER, GstWebRTC.WebRTCSDPType.ANSWER




def make_certificate():
    """A certificate with its key, and its fingerprint. GStreamer's own are RSA, which the media server does not take."""
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout - -out - -days 2 -subj /CN=peer"
    made = subprocess.run(command.split(), capture_output=True, check=True, text=True).stdout
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(made[made.index("-----BEGIN CERTIFICATE") :]))
    return made, digest.digest().hex(":").upper()


class End:
    """One webrtcbin; its promises as things that can be awaited."""

    def __init__(self, name, pipeline, loop):
        self.loop = loop
        self.pipeline = Gst.Pipeline.new()
        self.pipeline.add(Gst.parse_bin_from_description(pipeline, False))
        self.bin = self.pipeline.get_by_name("end")
        self.bin.connect("notify::connection-state", lambda *_: tell(state=[name, self.bin.get_property("connection-state").value_nick]))
        self.bin.connect("deep-element-added", self.certify)
        self.pipeline.set_state(Gst.State.PLAYING)

    @staticmethod
    def certify(_, __, element):
        factory = element.get_factory()
        if factory and factory.get_name() == "dtlsdec":
            element.set_property("pem", CERTIFICATE)

    async def ask(self, signal, *arguments):
        done = self.loop.create_future()

        def answered(promise, *_):
            reply = promise.get_reply()
            # The reply does not outlive its promise: what is wanted of it is taken here, as text.
            made = signal.removeprefix("create-")
            text = reply.get_value(made).sdp.as_text() if signal.startswith("create-") else None
            self.loop.call_soon_threadsafe(done.set_result, text)

        self.bin.emit(signal, *arguments, Gst.Promise.new_with_change_func(answered))
        return await done

    async def known(self):
        """Waits until it is known what will be sent: an offer that is made before has neither sources nor channels."""
        known = asyncio.Event()
        pads = list(self.bin.sinkpads)

        def look(*_):
            if all(pad.get_current_caps() for pad in pads):
                self.loop.call_soon_threadsafe(known.set)

        for pad in pads:
            pad.connect("notify::caps", look)
        look()
        await known.wait()

    async def describe(self, side, kind, text):
        _, parsed = GstSdp.SDPMessage.new_from_text(text)
        await self.ask(f"set-{side}-description", GstWebRTC.WebRTCSessionDescription.new(kind, parsed))

    async def described(self, kind, text):
        """Sets the local description; it with its candidates."""
        gathered = asyncio.Event()
        complete = GstWebRTC.WebRTCICEGatheringState.COMPLETE

        def look(*_):
            if self.bin.get_property("ice-gathering-state") == complete:
                self.loop.call_soon_threadsafe(gathered.set)

        self.bin.connect("notify::ice-gathering-state", look)
        await self.describe("local", kind, text)
        look()
        await gathered.wait()
        text = self.bin.get_property("local-description").sdp.as_text()
        # It makes the fingerprint of all that stands in the PEM, so of the key too.
        return re.sub("a=fingerprint:.*", f"a=fingerprint:sha-256 {FINGERPRINT}", text)

    async def remote(self, kind, text):
        await self.describe("remote", kind, text)
        for line in text.splitlines():
            if line.startswith("a=candidate:") and " udp " in line.lower():
                self.bin.emit("add-ice-candidate", 0, line[2:])


def receive(end, senses, loop):
    """Decodes what comes."""

    def on_pad(_, pad):
        if pad.direction != Gst.PadDirection.SRC:
            return
        mid = pad.get_property("transceiver").get_property("mid")
        video = pad.get_current_caps().get_structure(0).get_string("media") == "video"
        decoder = Gst.parse_bin_from_description(SEE if video else HEAR, True)
        end.bin.get_parent().add(decoder)
        decoder.get_by_name("out").connect("new-sample", on_sample, mid, video)
        decoder.sync_state_with_parent()
        pad.link(decoder.get_static_pad("sink"))

    def on_sample(sink, mid, video):
        buffer = sink.emit("pull-sample").get_buffer()
        content = buffer.extract_dup(0, buffer.get_size())
        if video:
            loop.call_soon_threadsafe(senses.see, mid, 16, 12, content)
        else:
            loop.call_soon_threadsafe(senses.hear, mid, 48000, array.array("h", content))
        return Gst.FlowReturn.OK

    end.bin.connect("pad-added", on_pad)


async def negotiate(room, sender, receiver):
    while True:
        message = await room.hear("published", "offer")
        if message["type"] == "published":
            await sender.remote(ANSWER, message["sdp"])
        else:
            await receiver.remote(OFFER, message["sdp"])
            answer = await receiver.ask("create-answer", None)
            await room.say("answer", sdp=await receiver.described(ANSWER, answer))


async def main(url, token):
    loop = asyncio.get_running_loop()
    room = await enter(url, token)
    senses = Senses(room)
    sender, receiver = End("publish", SEND, loop), End("subscribe", "webrtcbin name=end bundle-policy=max-bundle latency=50", loop)
    receive(receiver, senses, loop)
    await sender.known()
    sdp = await sender.described(OFFER, await sender.ask("create-offer", None))
    kinds = [line[2:].split()[0] for line in sdp.splitlines() if line.startswith("m=")]
    mids = [line[6:] for line in sdp.splitlines() if line.startswith("a=mid:")]
    sources = {"audio": "microphone", "video": "camera"}
    tasks = [asyncio.ensure_future(negotiate(room, sender, receiver)), asyncio.ensure_future(senses.report())]
    await room.say("publish", sdp=sdp, tracks=[{"mid": mid, "source": sources[kind]} for mid, kind in zip(mids, kinds)])
    await room.say("subscribe", audio_slots=2, video_slots=2)
    async for order in orders():
        await room.say(**order)
    await room.say("leave")
    for each in (sender, receiver):
        each.pipeline.set_state(Gst.State.NULL)
    for task in tasks:
        task.cancel()


async def run(url, token):
    try:
        await main(url, token)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    # The threads of the library would hold the process.
    os._exit(0)


CERTIFICATE, FINGERPRINT = make_certificate()
Gst.init(None)
threading.Thread(target=GLib.MainLoop().run, daemon=True).start()
asyncio.run(run(*sys.argv[1:]))
