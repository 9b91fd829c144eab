"""tasks that do nothing, submitted by one client and carried out by 1, 4 and 16 worker processes"""
import contextlib
import importlib.util
import json
import os
import pathlib
import socket
import subprocess
import sys
import time

from bench import child, redis, report
from bench.ensemble import Ensemble, writes_between
from bench.fleet import Fleet, counts
from bench.server_cost import live_heap

# How many each worker claims at once, by the system's name.
OURS = {"parkeeper-sqlite": 16, "parkeeper-sqlite-1": 1, "parkeeper-zookeeper": 16, "parkeeper-zookeeper-1": 1}
# The system of task_peers.py and how Redis syncs its log.
PEERS = {"rq-synced": ("rq", "always"), "rq": ("rq", "everysec"), "rq-forking": ("rq-forking", "everysec"),
         "celery-synced": ("celery", "always"), "celery": ("celery", "everysec")}
SYSTEMS = [*OURS, *PEERS]
# So many tasks are submitted for each of the asked seconds, about what it takes them on two cores.
TASKS_A_SECOND = {"rq-forking": 30, "parkeeper-sqlite": 2_000, "parkeeper-sqlite-1": 1_000}
OTHER_TASKS_A_SECOND = 500
QUEUED_WORKERS = 4
QUEUED_HEAP_MB = 1024
# Of a server: jute.maxbuffer, which nobody here changes.
MOST_BYTES = 1_048_575


def _program(name):
    return pathlib.Path(os.environ["PARKEEPER"]).parent / name


def _last_line(command, **environment):
    return json.loads(child.run(command, **environment).output.splitlines()[-1])


def _have_peers():
    return os.path.exists(redis.PROGRAM) and all(map(importlib.util.find_spec, ("rq", "celery")))


class Ours:
    """A queue in a place of its own."""
    environment = {}

    def __init__(self, place, capacity):
        self.place, self.capacity = place, capacity
        _last_line([*self._of("make")])

    def _of(self, verb):
        return [_program("bench_task_worker"), self.place, verb, "bench"]

    def workers(self, count):
        return [[*self._of("work"), self.capacity]] * count

    def client(self, count):
        return [*self._of("client"), count]

    def submit(self, count):
        return _last_line([*self._of("submit"), count])


class Peer:
    def __init__(self, system, server):
        self.system, self.environment = system, {"BENCH_REDIS": server.url}

    def _of(self, verb, number):
        return [sys.executable, "-m", "bench.task_peers", self.system, verb, number]

    def workers(self, count):
        # One of Celery starts the processes itself.
        return [self._of("work", count)] if self.system == "celery" else [self._of("work", 1)] * count

    def client(self, count):
        return self._of("client", count)


class Bench:
    def __init__(self, folder, options, ensemble):
        self.folder, self.options, self.ensemble = folder, options, ensemble
        self.limits = []
        self.places = 0

    def _limit(self, workers):
        """Sets a second, by as many clients, each of its own node. Measured before each line that is held against
        it, because a machine is faster at one time than at another."""
        said = _last_line([_program("bench_ensemble_limit"), f"zk://{self.ensemble.connect}", workers,
                           max(1, round(self.options.seconds / 2))])
        limit = round(said["sets"] / said["seconds"], 1)
        self.limits.append({"system": "ensemble", "case": "the ensemble's own limit", "writers": workers,
                            "unit": "writes/s", "failed": 0, "value": limit})
        return limit

    @contextlib.contextmanager
    def _opened(self, system):
        self.places += 1
        place = self.folder / f"tasks-{self.places}"
        if system in PEERS:
            name, fsync = PEERS[system]
            with redis.Redis(place, fsync) as server:
                yield Peer(name, server)
        elif system.startswith("parkeeper-zookeeper"):
            yield Ours(f"zk://{self.ensemble.connect}/{place.name}", OURS[system])
        else:
            yield Ours(place, OURS[system])

    def _measure(self, system, workers):
        count = max(100, round(self.options.seconds * TASKS_A_SECOND.get(system, OTHER_TASKS_A_SECOND)))
        on_ensemble = system.startswith("parkeeper-zookeeper")
        limit = self._limit(workers) if on_ensemble else None
        with self._opened(system) as opened, Fleet(opened.workers(workers), **opened.environment) as fleet:
            before = self.ensemble.zxid() if on_ensemble else None
            fleet.begin()
            said = _last_line(opened.client(count), **opened.environment)
            after = self.ensemble.zxid() if on_ensemble else None
            result = counts(fleet.stop())
        result |= {"value": round(count / said["seconds"], 2), "tasks": count, "seconds": round(said["seconds"], 3),
                   "submitted_a_second": round(count / said["submit_seconds"])}
        if system in PEERS:
            result["failed"] = said["wrong"]
        elif not count <= result["acknowledged"] + result["unknown"] <= count + result["unknown"]:
            result |= {"failed": 1, "error": f"{result['acknowledged']} completions of {count} tasks"}
        if on_ensemble and (writes := writes_between(before, after)):
            result["writes_per_task"] = round(writes / count, 3)
            result["writes_of_limit"] = round(writes / said["seconds"] / limit, 3)
        return result

    def measure(self, system, workers):
        case = f"{workers} worker{'s' if workers > 1 else ''}"
        print(f"{case}: {system}", file=sys.stderr, flush=True)
        result = {"system": system, "case": case, "writers": workers, "unit": "tasks/s"}
        try:
            return {**result, **self._measure(system, workers)}
        except (child.ChildFailed, subprocess.SubprocessError, OSError) as failure:
            return {**result, "value": None, "failed": 1, "error": str(failure)}

    def run(self, systems):
        results = [self.measure(system, workers) for workers in self.options.writers for system in systems]
        return results + self.limits


def _mntr(port):
    """What a server says of itself, by name, without the prefix."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(b"mntr")
        text = b"".join(iter(lambda: connection.recv(65_536), b"")).decode()
    pairs = (line.split("\t", 1) for line in text.splitlines() if "\t" in line)
    return {name.removeprefix("zk_"): value for name, value in pairs}


def _resident(pid):
    status = open(f"/proc/{pid}/status").read()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


def _of_servers(servers):
    """Of the leader, and of whichever server has the most."""
    said = [_mntr(server["port"]) for server in servers]
    leader = next(i for i, one in enumerate(said) if one["server_state"] == "leader")
    return {"nodes": int(said[leader]["znode_count"]), "data": int(said[leader]["approximate_data_size"]),
            "heap": live_heap(servers[leader]["pid"]), "rss": max(_resident(server["pid"]) for server in servers),
            "largest_write": int(said[leader]["max_proposal_size"]),
            "largest_reply": max(int(one["max_client_response_size"]) for one in said)}


def _queued(folder, options):
    """So many tasks wait in one queue: what that costs the servers, and what they were asked at most."""
    workers, count = QUEUED_WORKERS, options.queued
    with Ensemble(folder / "ensemble-queued", heap_mb=QUEUED_HEAP_MB) as ensemble:
        url = f"zk://{ensemble.connect}"

        def settled():
            # A server keeps the last 500 modifications for followers that come back: let them be small ones.
            sets = 0
            while sets < 600:
                sets += _last_line([_program("bench_ensemble_limit"), url, 8, 1])["sets"]
            return _of_servers(ensemble.servers())

        queue = Ours(f"{url}/tasks", OURS["parkeeper-zookeeper"])
        empty = settled()
        said = queue.submit(count)
        just, full = _of_servers(ensemble.servers()), settled()
        with Fleet(queue.workers(workers)) as fleet:
            fleet.begin()
            time.sleep(options.seconds)
            result = counts(tallies := fleet.stop())
        used = _of_servers(ensemble.servers())
    result |= {"system": "parkeeper-zookeeper", "case": f"{count:,} tasks queued", "writers": workers,
               "unit": "tasks/s", "tasks": count, "submitted_a_second": round(count / said["submit_seconds"]),
               "value": round(result["acknowledged"] / max(tally["seconds"] for tally in tallies), 1),
               "servers": {"empty": empty, "submitted": just, "settled": full, "used": used}}
    largest = max(used["largest_write"], used["largest_reply"])
    if largest > MOST_BYTES:
        result |= {"failed": 1, "error": f"a packet had {largest:,} bytes, of {MOST_BYTES:,}"}
    return result


NOTES = [
    "so many tasks that do nothing are submitted by one client, 100 at once, carried out by worker processes that wait"
    " already, until the client has read the outcome of each; -1: workers claim one at a time, not up to 16",
    "the ensemble's own limit: as many clients as workers set a node of their own, one request in flight each",
    "-synced: Redis syncs its append-only file before each reply (appendfsync always), as ours sync; else once a"
    " second, so what it loses in a crash is up to a second of tasks and results; Debian's default has no such file at all",
    "rq: SimpleWorker, in its own process; rq-forking: its usual Worker, a process forked for each task; celery: its"
    " usual pool of processes, acks_late",
    f"queued: the servers may take {QUEUED_HEAP_MB} MB each; heap: of the leader, after a full collection; used: after"
    f" {QUEUED_WORKERS} workers have worked at it for the asked seconds",
    "what is promised differs: rq runs a task at most once (that of a dead worker is marked as failed), celery with"
    " acks_late at least once; their results are not tied to what a task did elsewhere. Ours complete once, in one step"
    " with the commit of a task's rows, and survive the loss of a server; Redis is one process here",
]


def run(sources, folder, options):
    systems = [system for system in SYSTEMS if not options.only or system in options.only]
    notes = list(NOTES)
    if not _have_peers():
        systems = [system for system in systems if system not in PEERS]
        notes.append("RQ and Celery are left out: redis-tools or their packages are not here")
    if not any(system.startswith("parkeeper-zookeeper") for system in systems):
        return Bench(folder, options, None).run(systems), notes
    with Ensemble(folder / "ensemble") as ensemble:
        results = Bench(folder, options, ensemble).run(systems)
    return results + ([_queued(folder, options)] if options.queued else []), notes


def is_bad(result):
    """No completion may fail; a claim that met a faster worker is no failure. Peers are what they are."""
    return result["system"] not in PEERS and bool(result["failed"] or result.get("unknown"))


def _line(result, best):
    row = f"  {result['writers']:>7}  {result['system']:<24}"
    if result["value"] is None:
        return f"{row}{'failed':>10}  {result['error'][:300]}"
    row += f"{result['value']:>10.1f} {result['unit']:<9}"
    if result["unit"] != "tasks/s":
        return row
    ratio = f"{result['value'] / best:.2f}" if best else ""
    row += f"{ratio:>9}{result['submitted_a_second']:>13}"
    row += f"{result['p50_ms']:>9.1f}{result['p99_ms']:>9.1f}" if "p50_ms" in result else ""
    if "writes_per_task" in result:
        row += f"   {result['writes_per_task']} writes a task, {result['writes_of_limit']} of the limit"
    return row


def _show_servers(result):
    names = {"nodes": "nodes", "data": "data MB", "heap": "leader's heap MB", "rss": "largest RSS MB",
             "largest_write": "largest write", "largest_reply": "largest reply"}
    print(f"\n  {'servers':<12}" + "".join(f"{name:>18}" for name in names.values()))
    for when, seen in result["servers"].items():
        cells = []
        for name, title in names.items():
            value = seen[name]
            cells.append("" if value is None else f"{value / 1e6:.1f}" if title.endswith("MB") else f"{value:,}")
        print(f"  {when:<12}" + "".join(f"{cell:>18}" for cell in cells))


def show(name, results, notes):
    here = report.machine()
    print(f"\n{name} on {here['cores']} cores, {here['cpu']}; load now {here['load'][0]}")
    for case in dict.fromkeys(result["case"] for result in results):
        rows = [result for result in results if result["case"] == case]
        best = max((r["value"] or 0 for r in rows if r["system"].endswith("synced")), default=0)
        print(f"\n  {case}")
        print(f"  {'workers':>7}  {'system':<24}{'a second':>20}{'x synced':>9}{'submitted/s':>13}{'p50 ms':>9}"
              f"{'p99 ms':>9}")
        for result in rows:
            print(_line(result, best))
            if result["value"] is not None and (result["failed"] or result.get("unknown")):
                print(f"           {result.get('error', 'tasks failed')[:300]}")
            if "servers" in result:
                _show_servers(result)
    print("\n  x synced: to the faster of the synced peers; p50, p99: of a completion")
    for note in notes:
        print(f"  {note}")
    sys.stdout.flush()
