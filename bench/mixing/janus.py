"""Janus' AudioBridge for the comparison: started with a configuration of its own, driven over HTTP, stopped."""
import json
import os
import pathlib
import random
import subprocess
import tempfile
import time
import urllib.request

API = "http://127.0.0.1:18188/janus"
PLUGINS = "duktape echotest lua nosip recordplay sip streaming textroom videocall videoroom voicemail".split()
TRANSPORTS = "mqtt nanomsg pfunix rabbitmq websockets".split()


def listed(names, suffix=""):
    return ",".join(f"libjanus_{name}{suffix}.so" for name in names)


class Janus:
    name = "Janus"

    def __init__(self, prefix):
        """`prefix` is a command that pins it."""
        self.folder = tempfile.TemporaryDirectory()
        path = pathlib.Path(self.folder.name)
        library = f"/usr/lib/{os.uname().machine}-linux-gnu/janus"
        (path / "none").mkdir()
        (path / "janus.jcfg").write_text(f"""
general: {{ configs_folder = "{path}" plugins_folder = "{library}/plugins" transports_folder = "{library}/transports"
  events_folder = "{path}/none" loggers_folder = "{path}/none" debug_level = 2 session_timeout = 600 }}
media: {{ rtp_port_range = "46000-46999" }}
plugins: {{ disable = "{listed(PLUGINS)}" }}
transports: {{ disable = "{listed(TRANSPORTS)}" }}
""")
        (path / "janus.plugin.audiobridge.jcfg").write_text(
            'general: { rtp_port_range = "40000-44000" local_ip = "127.0.0.1" }\n')
        (path / "janus.transport.http.jcfg").write_text(
            'general: { json = "compact" base_path = "/janus" http = true port = 18188 ip = "127.0.0.1" https = false }\n'
            "admin: { admin_http = false }\n")
        self.log = open(path / "log", "w")
        self.process = subprocess.Popen(
            [*prefix, "janus", "-F", str(path), "-C", str(path / "janus.jcfg")], stdout=self.log, stderr=self.log)
        self.pid = self.process.pid
        self.session = self.until_ready()

    def until_ready(self):
        deadline = time.time() + 10
        while True:
            try:
                return f"{API}/{self.post(API, janus='create')['data']['id']}"
            except OSError:
                if time.time() > deadline:
                    raise
                time.sleep(0.1)

    def post(self, address, **message):
        message["transaction"] = f"{random.getrandbits(40):x}"
        body = json.dumps(message).encode()
        request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
        return json.load(urllib.request.urlopen(request, timeout=10))

    def attach(self):
        return self.post(self.session, janus="attach", plugin="janus.plugin.audiobridge")["data"]["id"]

    def make(self, rooms):
        """Rooms without anybody; gives their names."""
        control, names = self.attach(), []
        for _ in range(rooms):
            body = {"request": "create", "sampling_rate": 48000, "default_bitrate": 32000, "allow_rtp_participants": True,
                    "audiolevel_event": False}
            answer = self.post(f"{self.session}/{control}", janus="message", body=body)
            names.append(answer["plugindata"]["data"]["room"])
        return names

    def join(self, rooms, people, base):
        """Rooms with so many people each, on our ports from `base` in steps of two; gives Janus' ports in their order."""
        names = self.make(rooms)
        handles, ports = [], {}
        for at in range(rooms * people):
            handle = self.attach()
            handles.append(handle)
            body = {"request": "join", "room": names[at % rooms], "display": f"p{at}", "quality": 4,
                    "rtp": {"ip": "127.0.0.1", "port": base + 2 * at, "payload_type": 100, "fec": False}}
            self.post(f"{self.session}/{handle}", janus="message", body=body)
            if at % 8 == 7 or at + 1 == rooms * people:
                self.collect(handles, ports)
        return [ports[handle] for handle in handles]

    def collect(self, handles, ports):
        """Waits until all who joined know their ports."""
        deadline = time.time() + 20
        while len(ports) < len(handles):
            if time.time() > deadline:
                raise TimeoutError(f"{len(ports)} of {len(handles)} joined")
            for event in json.load(urllib.request.urlopen(f"{self.session}?maxev=50", timeout=40)):
                data = event.get("plugindata", {}).get("data", {})
                if "rtp" in data:
                    ports[event["sender"]] = data["rtp"]["port"]

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=10)
        self.log.close()
        self.folder.cleanup()
