"""aiortc in a room that goes through the media server: sends a lime picture and 500 Hz, tells what it sees and hears.

    kit/lab/.venv/bin/python kit/lab/peers/aiortc_peer.py URL TOKEN

It leaves when its standard input ends.
"""

import array
import asyncio
import fractions
import math
import sys

from aiortc import AudioStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription, VideoStreamTrack
from av import AudioFrame, AudioResampler, VideoFrame

from room import Senses, enter, orders, tell

WIDTH, HEIGHT, RATE, HZ = 320, 240, 48000, 500


class Lime(VideoStreamTrack):
    """One colour with a white bar that moves."""

    count = 0

    async def recv(self):
        pts, time_base = await self.next_timestamp()
        self.count += 1
        at = self.count * 8 % (WIDTH - 10)
        line = b"\x00\xff\x00" * at + b"\xff\xff\xff" * 10 + b"\x00\xff\x00" * (WIDTH - 10 - at)
        frame = VideoFrame(WIDTH, HEIGHT, "rgb24")
        frame.planes[0].update(line * HEIGHT)
        frame.pts, frame.time_base = pts, time_base
        return frame


class Tone(AudioStreamTrack):
    """A sine; the track of the library keeps the time."""

    at = 0

    async def recv(self):
        silence = await super().recv()
        rate, length = silence.sample_rate, silence.samples
        wave = (round(8000 * math.sin(2 * math.pi * HZ * (self.at + n) / rate)) for n in range(length))
        frame = AudioFrame("s16", "mono", length)
        frame.planes[0].update(array.array("h", wave).tobytes())
        frame.sample_rate, frame.pts, frame.time_base = rate, self.at, fractions.Fraction(1, rate)
        self.at += length
        return frame


async def watch(track, mid, senses):
    mono = AudioResampler(format="s16", layout="mono", rate=RATE)
    while True:
        frame = await track.recv()
        if track.kind == "video":
            small = frame.reformat(16, 12, "rgb24").planes[0]
            # Lines are padded to what the library likes.
            pixels = b"".join(bytes(small)[row * small.line_size :][:48] for row in range(12))
            senses.see(mid, frame.width, frame.height, pixels)
        else:
            for part in mono.resample(frame):
                senses.hear(mid, RATE, array.array("h", bytes(part.planes[0])[: part.samples * 2]))


async def negotiate(room, sender, receiver):
    while True:
        message = await room.hear("published", "offer")
        if message["type"] == "published":
            await sender.setRemoteDescription(RTCSessionDescription(message["sdp"], "answer"))
        else:
            await receiver.setRemoteDescription(RTCSessionDescription(message["sdp"], "offer"))
            await receiver.setLocalDescription(await receiver.createAnswer())
            await room.say("answer", sdp=receiver.localDescription.sdp)


async def main(url, token):
    # Without a configuration it would ask a STUN server on the Internet.
    sender, receiver = (RTCPeerConnection(RTCConfiguration(iceServers=[])) for _ in range(2))
    room = await enter(url, token)
    senses = Senses(room)
    tasks = [asyncio.ensure_future(senses.report())]

    @receiver.on("track")
    def on_track(track):
        mid = next(each.mid for each in receiver.getTransceivers() if each.receiver.track is track)
        tasks.append(asyncio.ensure_future(watch(track, mid, senses)))

    for name, connection in (("publish", sender), ("subscribe", receiver)):
        connection.on("connectionstatechange", lambda name=name, connection=connection: tell(state=[name, connection.connectionState]))
    sources = {"audio": "microphone", "video": "camera"}
    sender.addTrack(Tone())
    sender.addTrack(Lime())
    await sender.setLocalDescription(await sender.createOffer())
    tasks.append(asyncio.ensure_future(negotiate(room, sender, receiver)))
    tracks = [{"mid": each.mid, "source": sources[each.kind]} for each in sender.getTransceivers()]
    await room.say("publish", sdp=sender.localDescription.sdp, tracks=tracks)
    await room.say("subscribe", audio_slots=2, video_slots=2)
    async for order in orders():
        await room.say(**order)
    await room.say("leave")


asyncio.run(main(*sys.argv[1:]))
