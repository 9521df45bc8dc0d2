"""CPU of mixing servers for each participant and frame, over plain RTP on loopback: compare.py LOAD [rounds] [seconds]."""
import json
import statistics
import subprocess
import sys
import tempfile

from janus import Janus

# What is said, rooms, people in each, how many of all talk, whether tones are timed.
SCENARIOS = [
    ("100 in a room, 3 talk", 1, 100, 3, False),
    ("50 in a room, 3 talk", 1, 50, 3, False),
    ("10 rooms of 10, 2 talk each", 10, 10, 20, False),
    ("100 in a room, all talk", 1, 100, 100, False),
    ("1 talks of 100", 1, 100, 1, False),
    ("packet in to mix out", 1, 2, 1, True),
]
SERVERS = [Janus]


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


def main():
    load, rounds, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    print("| case | server | us a participant and frame | participants a core | received | kbit/s | heard | delay, p50 |")
    print("|---|---|---|---|---|---|---|---|")
    turn = 0
    for name, rooms, people, talk, pulse in SCENARIOS:
        runs = {server: [] for server in SERVERS}
        for _ in range(rounds):
            for server in SERVERS:
                turn += 1
                runs[server].append(measure(server, load, rooms, people, talk, pulse, seconds, turn))
        for server, found in runs.items():
            middle = {key: statistics.median(run[key] for run in found) for key in found[0]}
            delay = f"{middle['delay_ms']:.0f} ms" if pulse else "-"
            print(f"| {name} | {server.name} | {middle['us']:.1f} | {20000 / max(middle['us'], 0.001):.0f} "
                  f"| {middle['received']:.2f} | {middle['kbit']:.0f} | {middle['heard_db']:.0f} dB | {delay} |", flush=True)


main()
