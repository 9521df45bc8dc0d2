"""Runs both servers in turn under each load and prints a table; see `run`."""

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time

trefoil, here, rounds, seconds, picked = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5]
folder = tempfile.mkdtemp(prefix="trefoil-bench-")
SECRET = "only-for-benchmarks-on-this-machine"
HTTP, JANUS = 18480, 18088

CPU = ("CPU for a forwarded packet", "us", lambda found: found["server"]["cpu_us_per_packet"])
DELAY = [
    ("delay, median", "ms", lambda found: found["delay_ms"]["p50"]),
    ("delay, 99 %", "ms", lambda found: found["delay_ms"]["p99"]),
]
JOIN = [
    ("CPU for a join", "us", lambda found: found["server"]["join_cpu_us"]),
    ("memory for a subscriber", "KB", lambda found: found["server"]["joined_bytes_per_subscriber"] / 1000),
]
# The name, the load's arguments, and what is read.
SCENARIOS = [
    ("video 1200 B, 50 subscribers, 52,000/s", "--subscribers 50 --packets-per-second 1040 --burst 1", [CPU]),
    ("the same in bursts of 4", "--subscribers 50 --packets-per-second 1040 --burst 4", [CPU]),
    ("sound 120 B, 50 subscribers, 50,000/s",
     "--subscribers 50 --video-kbps 0 --audio --packets-per-second 1000 --packet-bytes 120", [CPU]),
    ("video 1200 B, 200 subscribers, 20,800/s", "--subscribers 200 --packets-per-second 104 --burst 1", [CPU]),
    ("50 tracks for each of 50, one active, 52,000/s",
     "--publishers 50 --active 1 --subscribers 50 --packets-per-second 1040 --burst 1", [CPU]),
    ("50 tracks for each of 50, all active, 52,000/s",
     "--publishers 50 --subscribers 50 --packets-per-second 20.8 --burst 1", [CPU]),
    ("half load: video 1200 B, 50 subscribers, 26,000/s",
     "--subscribers 50 --packets-per-second 520 --burst 1", [CPU, *DELAY]),
    ("200 joins", "--subscribers 200 --packets-per-second 10 --burst 1", JOIN),
]


def own_address():
    """The address from which packets leave; none is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))
            address = probe.getsockname()[0]
        except OSError:
            address = "127.0.0.1"
    if address.startswith("127."):
        sys.exit("this machine has no network address but loopback, where Janus offers none: "
                 "add one, as with `ip address add 192.0.2.1/32 dev lo` and a route over it")
    return address


def pinned(core, *command):
    return ["taskset", "-c", str(core), *command]


def start(name):
    if name == "trefoil":
        command, port = [trefoil, "serve", "--config", f"{here}/trefoil.toml", "--only", "rooms",
                         "--http", f"0.0.0.0:{HTTP}"], HTTP
    else:
        command, port = ["janus", "--configs-folder", f"{here}/janus"], JANUS
    server = subprocess.Popen(pinned(0, *command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(100):
        if server.poll() is not None:
            sys.exit(f"{name} did not start: {' '.join(command)}")
        try:
            socket.create_connection((address, port), 0.2).close()
            return server
        except OSError:
            time.sleep(0.1)
    server.kill()
    sys.exit(f"{name} does not listen on {address}:{port}")


def measure(name, arguments):
    server = start(name)
    try:
        where = ["--url", f"http://{address}:{HTTP}", "--key", "bench"] if name == "trefoil" else \
            ["--janus", f"http://{address}:{JANUS}/janus"]
        report = f"{folder}/report.json"
        command = [trefoil, "load", *where, *arguments.split(), "--pid", str(server.pid), "--seconds", seconds,
                   "--report", report]
        environment = {**os.environ, "TREFOIL_SECRET": SECRET}
        if name == "janus":
            del environment["TREFOIL_SECRET"]
        done = subprocess.run(pinned(1, *command), capture_output=True, text=True, timeout=300, env=environment)
        if done.returncode != 0:
            sys.exit(f"{name}, {arguments}: {done.stderr}")
        for line in done.stdout.splitlines():
            if "NOTE" in line:
                print(f"  {name}, {arguments}:{line}", file=sys.stderr, flush=True)
        with open(report) as file:
            return json.load(file)
    finally:
        server.terminate()
        server.wait()


def cell(values, unit):
    if any(value is None for value in values):
        return "-"
    digits = 0 if statistics.median(values) >= 100 else 2
    low, middle, high = (f"{value:.{digits}f}" for value in (min(values), statistics.median(values), max(values)))
    return f"{middle} {unit} ({low} to {high})"


address = own_address()
print("| scenario | measured | Janus | Trefoil | ratio | arrived (Janus, Trefoil) |\n|---|---|---|---|---|---|", flush=True)
for scenario, arguments, measures in SCENARIOS:
    if picked not in scenario:
        continue
    found = {"janus": [], "trefoil": []}
    for turn in range(rounds):
        for name in sorted(found, reverse=turn % 2 == 1):
            one = measure(name, arguments)
            found[name].append(one)
            print(f"  {scenario}, {name}: {one['server']['cpu_us_per_packet']} us a packet, delivered "
                  f"{one['delivered']}, load at {one['load_cpu_percent']:.0f} %", file=sys.stderr, flush=True)
    arrived = ", ".join(f"{statistics.median(one['delivered'] for one in found[name]):.1%}" for name in found)
    for measured, unit, read in measures:
        janus, ours = ([read(one) for one in found[name]] for name in ("janus", "trefoil"))
        usable = None not in janus + ours and statistics.median(janus) > 0
        ratio = f"{statistics.median(ours) / statistics.median(janus):.2f}" if usable else "-"
        print(f"| {scenario} | {measured} | {cell(janus, unit)} | {cell(ours, unit)} | {ratio} | {arrived} |", flush=True)
