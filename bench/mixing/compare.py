"""CPU of mixing servers for each participant and frame, over plain RTP on loopback: compare.py LOAD TREFOIL rounds seconds."""
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

from janus import Janus
from trefoil import Trefoil, TrefoilAll

# What is said, rooms, people in each, how many of all talk, whether tones are timed.
SCENARIOS = [
    ("100 in a room, 3 talk", 1, 100, 3, False),
    ("50 in a room, 3 talk", 1, 50, 3, False),
    ("10 rooms of 10, 2 talk each", 10, 10, 20, False),
    ("100 in a room, all talk", 1, 100, 100, False),
    ("1 talks of 100", 1, 100, 1, False),
    ("packet in to mix out", 1, 2, 1, True),
]
SERVERS = [Janus, Trefoil]
IDLE_ROOMS = 400


def measure(server, load, rooms, people, talk, pulse, seconds, turn):
    base = 22000 + turn % 7 * 600
    running = server(["taskset", "-c", "0"])
    try:
        ports = running.join(rooms, people, base)
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("\n".join(map(str, ports)))
            file.flush()
            command = ["taskset", "-c", "1", load, "load", file.name, base, talk, seconds, running.pid]
            command += ["pulse"] if pulse else []
            out = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, check=True, timeout=seconds + 60)
        return json.loads(out.stdout)
    finally:
        running.stop()


def idle(server, seconds):
    """The share of a core that rooms without anybody cost."""
    def spent():
        with open(f"/proc/{running.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    running = server(["taskset", "-c", "0"])
    try:
        running.make(IDLE_ROOMS)
        time.sleep(1)
        before = spent()
        time.sleep(seconds)
        return (spent() - before) / seconds
    finally:
        running.stop()


def main():
    load, Trefoil.binary = sys.argv[1], sys.argv[2]
    rounds, seconds = int(sys.argv[3]), int(sys.argv[4])
    print("| case | server | us a participant and frame | participants a core | received | kbit/s | heard | delay, p50 |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    turn = 0
    for name, rooms, people, talk, pulse in SCENARIOS:
        servers = SERVERS + [TrefoilAll] * (talk == people)
        runs = {server: [] for server in servers}
        for _ in range(rounds):
            for server in servers:
                turn += 1
                runs[server].append(measure(server, load, rooms, people, talk, pulse, seconds, turn))
        for server, found in runs.items():
            middle = {key: statistics.median(run[key] for run in found) for key in found[0]}
            delay = f"{middle['delay_ms']:.0f} ms" if pulse else "-"
            print(f"| {name} | {server.name} | {middle['us']:.1f} | {20000 / max(middle['us'], 0.001):.0f} "
                  f"| {middle['received']:.2f} | {middle['kbit']:.0f} | {middle['heard_db']:.0f} dB | {delay} |", flush=True)
    for server in SERVERS:
        found = statistics.median(idle(server, seconds) for _ in range(rounds))
        print(f"| {IDLE_ROOMS} rooms, nobody there | {server.name} | {found:.3f} of a core | - | - | - | - | - |", flush=True)


main()
