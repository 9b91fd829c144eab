"""requests and watches on an ensemble of three, ours against the C client, kazoo and Curator"""
import json
import os
import pathlib
import select
import signal
import statistics
import subprocess
import sys
import time

from kazoo.client import KazooClient

from bench import report

HERE = pathlib.Path(__file__).parent
TIMEOUT = 60  # of one measurement, over its seconds
MOST_SECONDS = 540  # no round begins that would end later, but the first
WARM_SECONDS = 0.3  # the round before the measured ones: Java compiles, servers warm up
KINDS = {"get": "get", "set": "set", "create": "create", "multi": "multi (check, set, create)"}
DEPTHS = {1: "synchronous", 100: "100 in flight", 1000: "1000 in flight"}
WATCHERS = 1000
# Name: what the driver is asked, and with how many in flight, or watchers.
CASES = {f"{title}, {how}": (kind, count) for kind, title in KINDS.items() for count, how in DEPTHS.items()}
CASES[f"one change told to {WATCHERS} watchers"] = ("watch", WATCHERS)
# Of the client alone.
INSTANT = {f"{title}, 1000 in flight, answered at once": (kind, 1000) for kind, title in KINDS.items()}
CASES |= INSTANT
HEAP_MB = 1024  # of a server, so that it collects no garbage in the middle of most rounds


class Failed(Exception):
    pass


class Driver:
    """A system's client as a child process that lives through all rounds; measure.h says what it is told."""

    def __init__(self, command):
        self.command = list(map(str, command))
        self.child = None

    def measure(self, kind, connect, root, seconds, count):
        if self.child is None:
            self.child = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            self.child.stdin.write(f"{kind} {connect} {root} {seconds} {count}\n".encode())
            self.child.stdin.flush()
            answered = select.select([self.child.stdout], [], [], seconds + TIMEOUT)[0]
            line = self.child.stdout.readline() if answered else b""
        except BrokenPipeError:
            answered, line = True, b""
        if not line:
            self.close(kill=True)  # the next measurement has a new one
            raise Failed("the driver has ended" if answered else f"no answer in {seconds + TIMEOUT} s")
        measured = json.loads(line)
        if measured["failed"]:
            raise Failed(f"{measured['failed']} of {measured['operations']} failed")
        return measured

    def close(self, kill=False):
        child, self.child = self.child, None
        if child is None:
            return
        if kill:
            child.kill()
        try:
            child.communicate(timeout=TIMEOUT)  # it ends with its input
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


class InstantServer:
    """instant_server.cc as a child process."""

    def __init__(self):
        self.child = subprocess.Popen([_built() / "bench_zookeeper_instant"], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE)
        self.connect = f"127.0.0.1:{int(self.child.stdout.readline())}"

    def close(self):
        self.child.communicate(timeout=TIMEOUT)  # it ends with its input


def _built():
    return pathlib.Path(os.environ["PARKEEPER"]).parent / "bench/zookeeper"


def _drivers():
    """The command of each system. ./dev builds what they are."""
    built = _built()
    curator = pathlib.Path("build/bench/curator").resolve()
    return {
        "parkeeper-zookeeper": [built / "bench_zookeeper"],
        "c-client": [built / "bench_zookeeper_c"],
        "kazoo": [sys.executable, HERE / "kazoo_driver.py"],
        "curator": ["java", "-Xmx256m", "-cp", f"{curator}/classes:{curator}/*", "CuratorDriver"],
    }


def _ensemble(verb, folder, *options):
    command = [os.environ["PARKEEPER"], "--json", "ensemble", verb, "--dir", folder, *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise Failed(f"no ensemble: {done.stderr}")
    return done.stdout


def _prepare(connect, roots):
    client = KazooClient(connect)
    client.start(timeout=30)
    for root in roots:
        client.create(f"{root}/node", b"v" * 100, makepath=True)
    client.stop()
    client.close()


def _result(system, case, samples, error):
    kind, count = CASES[case]
    is_time = kind == "watch"
    result = {"system": system, "case": case, "writers": 1, "in_flight": 1 if is_time else count,
              "unit": "ms" if is_time else "operations/s", "failed": int(error is not None)}
    if error is not None:
        return {**result, "value": None, "error": error}
    values = [s["p50_ms"] if is_time else s["operations"] / s["seconds"] for s in samples]
    return {**result, "value": statistics.median(values), "samples": [round(value, 2) for value in values],
            **{key: statistics.median(s[key] for s in samples) for key in ("p50_ms", "p99_ms")},
            "cpu_us": statistics.median(s["cpu"] / s["operations"] for s in samples) * 1e6}


def _measure(drivers, connect, instant, options):
    hosts = connect.split(",")
    rounds = range(options.repeat + 1)
    names = list(drivers)
    root = {(r, c, s): f"/bench/{r}-{c}-{s}" for r in rounds for c in range(len(CASES)) for s in names}
    _prepare(connect, root.values())
    samples = {(system, case): [] for case in CASES for system in names}
    errors = {}
    start = time.monotonic()
    for r in rounds:
        begun = time.monotonic()
        if r > 1 and begun - start + round_time > MOST_SECONDS:
            print(f"time is up after {r - 1} of {options.repeat} rounds", file=sys.stderr, flush=True)
            break
        seconds = options.seconds if r else WARM_SECONDS
        # Another server in each round and another system first: the same for all, and nobody always last.
        order = names[r % len(names):] + names[:r % len(names)]
        for c, (case, (kind, count)) in enumerate(CASES.items()):
            print(f"round {r}/{options.repeat}: {case}", file=sys.stderr, flush=True)
            for system in (s for s in order if (s, case) not in errors):
                to = instant if case in INSTANT else connect if kind == "watch" else hosts[r % len(hosts)]
                try:
                    measured = drivers[system].measure(kind, to, root[r, c, system], seconds, count)
                    if r:
                        samples[system, case].append(measured)
                except Failed as failure:
                    errors[system, case] = str(failure)
        round_time = time.monotonic() - begun
    return [_result(system, case, samples[system, case], errors.get((system, case))) for system, case in samples]


def run(_, folder, options):
    commands = {s: c for s, c in _drivers().items() if not options.only or s in options.only}
    ensemble = folder / "ensemble"
    drivers = {}
    instant = InstantServer()
    # Killed or not, no server outlives the bench.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        connect = json.loads(_ensemble("start", ensemble, "--size", "3", "--port", "0", "--heap", str(HEAP_MB)))["connect"]
        drivers = {system: Driver(command) for system, command in commands.items()}
        results = _measure(drivers, connect, instant.connect, options)
    finally:
        for driver in drivers.values():
            driver.close()
        instant.close()
        _ensemble("stop", ensemble)
    return results, [
        "three servers and all clients on this machine: servers, syncs of their logs and clients share its cores",
        f"each case for {options.seconds:g} s a round; values of 100 bytes; every round at another server, all"
        " systems at the same",
        "synchronous: one thread waits for each answer; in flight: so many requests of one session at a time",
        "ratios: the median over the rounds, each against the same round of the peer; ±: two standard errors",
        "cpu: of the client's process, for one operation",
        "answered at once: by a program in place of the servers that keeps nothing; what a client alone can do",
        f"{WATCHERS} watchers on one node, over 20 connections of one process: from sending the change until the"
        " last watcher is told",
    ]


def show(name, results, notes):
    report.show_ratios(name, results, notes)
