"""Two aioice agents that may use nothing but the relay, through the real binary.

    kit/lab/.venv/bin/python -m unittest -v kit/lab/aioice/relay_test.py

needs `cargo build`, or the binary's name in TREFOIL.
"""

import asyncio
import os
import re
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

from aioice import Connection, TransportPolicy

ROOT = Path(__file__).resolve().parents[3]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
BINARY = os.environ.get("TREFOIL", str(TARGET / "debug/trefoil"))
CONFIG = '[relay.users]\nann = "north"\nbob = "south"\n'
# Only a test that fails waits it out.
PATIENCE = 30


class Relay:
    """A running traversal server on a free port of loopback."""

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="trefoil-aioice-")
        config = Path(self.folder.name) / "trefoil.toml"
        config.write_text(CONFIG)
        command = [BINARY, "serve", "--only", "relay", "--relay", "127.0.0.1:0", "--config", str(config)]
        self.log = open(Path(self.folder.name) / "log", "w")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True)
        for line in self.process.stdout:
            found = re.search(r"STUN and TURN\D*(127\.0\.0\.1):(\d+)", line)
            if found:
                return found[1], int(found[2])
        raise AssertionError(f"{BINARY} did not say where it listens")

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)  # SIGTERM would drain first
        self.process.wait(PATIENCE)
        self.process.stdout.close()
        self.log.close()
        self.folder.cleanup()


def agent(server, transport, controlling, name, word):
    return Connection(
        ice_controlling=controlling,
        turn_server=server,
        turn_username=name,
        turn_password=word,
        turn_transport=transport,
        transport_policy=TransportPolicy.RELAY,
        use_ipv6=False,
    )


async def introduce(one, other):
    """What signalling does: each hears of the other's candidates and password."""
    await asyncio.gather(one.gather_candidates(), other.gather_candidates())
    for to, of in ((one, other), (other, one)):
        for candidate in of.local_candidates:
            await to.add_remote_candidate(candidate)
        await to.add_remote_candidate(None)
        to.remote_username, to.remote_password = of.local_username, of.local_password


class RelayOnly(unittest.TestCase):
    def check(self, transports):
        with Relay() as server:
            asyncio.run(asyncio.wait_for(self.exchange(server, transports), PATIENCE))

    async def exchange(self, server, transports):
        one = agent(server, transports[0], True, "ann", "north")
        other = agent(server, transports[1], False, "bob", "south")
        try:
            await introduce(one, other)
            kinds = {candidate.type for agent in (one, other) for candidate in agent.local_candidates}
            self.assertEqual(kinds, {"relay"}, "there is no other way")
            await asyncio.gather(one.connect(), other.connect())
            for size in (1, 160, 1200):
                for sender, receiver in ((one, other), (other, one)):
                    data = os.urandom(size)
                    await sender.send(data)
                    self.assertEqual(await receiver.recv(), data)
        finally:
            await asyncio.gather(one.close(), other.close())

    def test_two_agents_meet_over_udp(self):
        self.check(("udp", "udp"))

    def test_two_agents_meet_over_tcp(self):
        self.check(("tcp", "tcp"))

    def test_an_agent_over_udp_meets_one_over_tcp(self):
        self.check(("udp", "tcp"))

    def test_an_agent_with_a_wrong_password_gets_no_candidate(self):
        async def gather(server):
            stranger = agent(server, "udp", True, "ann", "south")
            try:
                await stranger.gather_candidates()
                self.assertEqual(stranger.local_candidates, [])
            finally:
                await stranger.close()

        with Relay() as server:
            asyncio.run(asyncio.wait_for(gather(server), PATIENCE))


if __name__ == "__main__":
    unittest.main()
