"""A room of Trefoil for peers in Python: joins by HTTP and WebSocket, and keeps what is told of tracks and places."""

import asyncio
import json
import sys
import urllib.request

import websockets


def tell(**what):
    """One line of JSON to the test that started us."""
    print(json.dumps(what), flush=True)


async def enter(url, token):
    """Joins with a token; a Room."""
    request = urllib.request.Request(
        f"{url}v1/join",
        data=b"{}",
        headers={"content-type": "application/json", "authorization": f"Bearer {token}"},
    )

    def ask():
        # The proxy of the machine, if any, is not for us.
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as answer:
            return json.load(answer)

    answer = await asyncio.get_running_loop().run_in_executor(None, ask)
    room = Room(await websockets.connect(answer["signalling_url"]))
    await room.say("join", version=1, token=answer["token"])
    room.me = (await room.hear("joined"))["you"]
    tell(joined=room.me)
    return room


class Room:
    """Call `hear` again and again: it answers the heartbeat, keeps the tables, and gives what was waited for."""

    def __init__(self, socket):
        self.socket = socket
        self.me = None
        # Track to participant, and m= section to track.
        self.owners = {}
        self.slots = {}

    async def say(self, kind, **fields):
        await self.socket.send(json.dumps({"type": kind, **fields}))

    async def hear(self, *kinds):
        """The next message of one of these types."""
        async for text in self.socket:
            message = json.loads(text)
            kind = message["type"]
            if kind == "tracks":
                self.owners.update((track["track"], message["participant"]) for track in message["tracks"])
            elif kind == "slots":
                self.slots = {slot["mid"]: slot["track"] for slot in message["slots"]}
            elif kind in ("refused", "media_lost", "left"):
                tell(wrong=message)
            if kind in kinds:
                return message
        raise ConnectionError("the room is closed")

    def owner(self, mid):
        """Whose track is in this place now."""
        return self.owners.get(self.slots.get(mid))


class Senses:
    """What is seen and heard of whom, told to the test once a second."""

    def __init__(self, room):
        self.room = room
        self.seen = {}
        self.heard = {}

    def see(self, mid, width, height, red_green_blue):
        """A picture, as few bytes of RGB, came in this place."""
        owner = self.room.owner(mid)
        if owner is None:
            return
        before = self.seen.get(owner, {"frames": 0, "pixels": b"", "moved": 0})
        pixels = bytes(red_green_blue)
        differences = (abs(one - other) for one, other in zip(pixels, before["pixels"]))
        self.seen[owner] = {
            "frames": before["frames"] + 1,
            "size": [width, height],
            "colour": [sum(pixels[channel::3]) * 3 // len(pixels) for channel in range(3)],
            "moved": before["moved"] + (sum(differences) * 5 > len(pixels)),
            "pixels": pixels,
        }

    def hear(self, mid, rate, samples):
        """Sound of one channel, as numbers, came in this place: the pitch is how often it rises through zero."""
        owner = self.room.owner(mid)
        if owner is None:
            return
        heard = self.heard.setdefault(owner, {"samples": 0, "rises": 0, "below": False, "hz": 0})
        for sample in samples:
            # Quieter than this is silence, which has no pitch.
            if sample < -300:
                heard["below"] = True
            elif sample > 300 and heard["below"]:
                heard["below"] = False
                heard["rises"] += 1
        heard["samples"] += len(samples)
        if heard["samples"] >= rate:
            heard["hz"] = round(heard["rises"] * rate / heard["samples"])
            heard["samples"] = heard["rises"] = 0

    async def report(self):
        while True:
            sees = {owner: {key: seen[key] for key in ("frames", "size", "colour", "moved")} for owner, seen in self.seen.items()}
            tell(sees=sees, hears={owner: heard["hz"] for owner, heard in self.heard.items()})
            await asyncio.sleep(0.5)


async def orders():
    """The lines of JSON that the test sends; ends with its end."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield json.loads(line)
