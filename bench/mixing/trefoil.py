"""Trefoil for the comparison: started with a configuration of its own, its rooms mixed, plain RTP over its HTTP API, stopped."""
import base64
import json
import pathlib
import subprocess
import tempfile
import time
import urllib.request

API = "http://127.0.0.1:18480"
KEY, SECRET = "bench", "only-for-benchmarks-on-this-machine"


class Trefoil:
    name = "Trefoil"
    binary = "trefoil"

    def __init__(self, prefix):
        """`prefix` is a command that pins it."""
        self.folder = tempfile.TemporaryDirectory()
        config = pathlib.Path(self.folder.name) / "trefoil.toml"
        # Nothing but the mixer: one worker, as many heard as talk at once unless the case says otherwise.
        config.write_text(f"""
[log]
level = "error"
[server]
listen = ["127.0.0.1:18480"]
keys = [{{ key = "{KEY}", secret = "{SECRET}" }}]
[server.limits]
connections_per_address = 0
[server.rooms]
topology = "mixed"
member_limit = 1000
[server.plain_rtp]
enabled = true
[media]
listen = ["127.0.0.1:18479"]
workers = 1
mixed_talkers = {self.talkers}
""")
        self.process = subprocess.Popen(
            [*prefix, self.binary, "serve", "--config", str(config), "--only", "rooms"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.pid = self.process.pid
        deadline = time.time() + 10
        while True:
            try:
                urllib.request.urlopen(f"{API}/healthz").close()
                return
            except OSError:
                if time.time() > deadline:
                    raise
                time.sleep(0.1)

    talkers = 3

    def ask(self, method, path, body):
        request = urllib.request.Request(f"{API}/v1/namespaces/default/rooms/{path}", json.dumps(body).encode(), method=method)
        request.add_header("Content-Type", "application/json")
        request.add_header("Authorization", "Basic " + base64.b64encode(f"{KEY}:{SECRET}".encode()).decode())
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read() or "{}")

    def make(self, rooms):
        """Rooms without anybody."""
        for number in range(rooms):
            self.ask("PUT", f"mix-{number}", {"topology": "mixed"})

    def join(self, rooms, people, base):
        """Rooms with so many people each, on our ports from `base` in steps of two; gives the server's ports in their order."""
        self.make(rooms)
        ports = []
        for at in range(rooms * people):
            inside = self.ask("POST", f"mix-{at % rooms}/plain", {
                "identity": f"p{at}", "remote": f"127.0.0.1:{base + 2 * at}", "codec": "opus", "payload_type": 100})
            ports.append(int(inside["local"].rsplit(":", 1)[1]))
        return ports

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()


class TrefoilAll(Trefoil):
    name = "Trefoil, no cap"
    talkers = 64
