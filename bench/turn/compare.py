"""Runs both servers in turn under each load and prints a table; see `run`."""

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

trefoil, load, rounds, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
folder = tempfile.mkdtemp(prefix="trefoil-bench-")

TREFOIL = """
[relay]
bpf_interfaces = [INTERFACES]
listen = ["127.0.0.1:3579"]
relay_addresses = ["127.0.0.1"]
port_range = "40000-49999"
allow_peers = ["127.0.0.0/8"]
allocations_per_username = 9000
threads = 1
[relay.users]
user1 = "test"
"""
COTURN = f"""
listening-ip=127.0.0.1
relay-ip=127.0.0.1
listening-port=3578
min-port=40000
max-port=49999
lt-cred-mech
user=user1:test
realm=localhost
allow-loopback-peers
no-tls
no-dtls
no-cli
no-stdout-log
log-file={folder}/coturn.log
pidfile={folder}/coturn.pid
userdb={folder}/coturn.db
simple-log
relay-threads=1
no-software-attribute
"""
# The name, what it is like, the load's arguments, and the goal as a ratio.
SCENARIOS = [
    ("voice 160 B, 200 clients", "--clients 200 --window 256", 0.72),
    ("voice 160 B, 2000 clients", "--clients 2000 --window 2048", 0.62),
    ("video 1200 B, coalesced", "--clients 50 --size 1200 --burst 10 --window 512 --coalesced", 0.22),
    ("video 1200 B, singly", "--clients 50 --size 1200 --burst 10 --window 512", 0.70),
    ("relay to relay 160 B", "--clients 200 --window 256 --flow relay", 0.41),
    ("paced 40,000 packets/s", "--clients 400 --rate 20000", 0.35),
    ("bytes for an idle allocation", "--clients 4000 --idle 0", 0.50),
]


def pinned(core, *command):
    first = ["chrt", "-f", "10"] if os.geteuid() == 0 and shutil.which("chrt") else []
    return ["taskset", "-c", str(core), *first, *command]


def start(name):
    path = os.path.join(folder, name)
    with open(path, "w") as file:
        inside = '"lo"' if name == "trefoil-bpf" else ""
        file.write(COTURN if name == "coturn" else TREFOIL.replace("INTERFACES", inside))
    own = ["turnserver", "-c", path] if name == "coturn" else [trefoil, "serve", "--config", path, "--only", "relay"]
    server = subprocess.Popen(pinned(0, *own), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(1.2)
    if server.poll() is not None:
        sys.exit(f"{name} did not start")
    return server


def measure(name, arguments):
    server = start(name)
    try:
        port = 3578 if name == "coturn" else 3579
        base = [load, "--server", f"127.0.0.1:{port}", "--pid", str(server.pid), "--seconds", seconds]
        done = subprocess.run(pinned(1, *base, *arguments.split()), capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            sys.exit(f"{name}, {arguments}: {done.stderr}")
        return done.stdout.strip()
    finally:
        server.terminate()
        server.wait()


def first_number(text):
    return float(re.match(r"[0-9.]+", text).group())


def compare(scenario, arguments, names):
    """The median of each server's first number, in turns."""
    found = {name: [] for name in names}
    for turn in range(rounds):
        for name in sorted(found, reverse=turn % 2 == 1):
            line = measure(name, arguments)
            found[name].append(line)
            print(f"  {scenario}, {name}: {line}", file=sys.stderr, flush=True)
    return [statistics.median(map(first_number, found[name])) for name in names]


wanted = [scenario for scenario in SCENARIOS if len(sys.argv) <= 5 or sys.argv[5] in scenario[0]]
print("| scenario | coturn | Trefoil | ratio | goal |\n|---|---|---|---|---|", flush=True)
for scenario, arguments, goal in wanted:
    coturn, ours = compare(scenario, arguments, ["coturn", "trefoil"])
    unit = "B" if "bytes" in scenario else "ns"
    print(f"| {scenario} | {coturn:.0f} {unit} | {ours:.0f} {unit} | {ours / coturn:.2f} | {goal:.2f} |", flush=True)

# Inside the kernel there is no process whose time could be read. So all of core 0 counts, and the kernel is told to do there
# whatever it does for packets that arrive over loopback, as it would for a network card's.
STEERING = "/sys/class/net/lo/queues/rx-0/rps_cpus"
if os.access(STEERING, os.W_OK):
    with open(STEERING) as file:
        before = file.read()
    try:
        with open(STEERING, "w") as file:
            file.write("1")
        print("\n| all of core 0 | coturn | Trefoil | Trefoil, `bpf_interfaces` | ratios |\n|---|---|---|---|---|", flush=True)
        for scenario, arguments, _ in wanted:
            if "voice" in scenario or "singly" in scenario or "paced" in scenario:
                coturn, ours, inside = compare(
                    scenario, arguments + " --core 0", ["coturn", "trefoil", "trefoil-bpf"]
                )
                print(
                    f"| {scenario} | {coturn:.0f} ns | {ours:.0f} ns | {inside:.0f} ns "
                    f"| {ours / coturn:.2f}, {inside / coturn:.2f} |",
                    flush=True,
                )
    finally:
        with open(STEERING, "w") as file:
            file.write(before)
shutil.rmtree(folder)
