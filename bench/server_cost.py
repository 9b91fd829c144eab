"""What a real ZooKeeper server pays for Parkeeper's nodes: heap for each table, record, session and watch; processor
time for each request. Processor time, not wall time, so that a busy machine does not change it much."""
import contextlib
import json
import os
import re
import shutil
import socket
import statistics
import struct
import subprocess
import time
import uuid

from kazoo.client import KazooClient

WINDOW = 64  # requests in flight

NAME = json.dumps({"kind": "table", "key": str(uuid.UUID(int=0))}).encode()
LOCATION = ("s3://warehouse/lake/sales/orders-0123456789abcdef/metadata/00000000000000001234-"
            + str(uuid.UUID(int=0)) + ".metadata.json")
HEAD = json.dumps({"state": "live", "n": 1234, "floor": 1171, "swept-to-ms": 1790000000000,
                   "uuid": str(uuid.UUID(int=0)), "metadata": LOCATION, "snapshot": 3051729675574597004}).encode()
RECORD = json.dumps({"round": str(uuid.UUID(int=0)), "state": "live", "metadata": LOCATION,
                     "commits": [{"id": str(uuid.UUID(int=0)), "hash": "0123456789abcdef", "committed": True,
                                  "snapshot": 3051729675574597004}]}).encode()
ENTRY = b"e" * 1500


@contextlib.contextmanager
def ensemble(folder, size, heap_mb):
    """Servers of this machine. Yields their state as `parkeeper ensemble start` prints it."""
    def call(verb, *options):
        return subprocess.run([os.environ["PARKEEPER"], "--json", "ensemble", verb, "--dir", str(folder), *options],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        started = call("start", "--size", str(size), "--port", "0", "--heap", str(heap_mb))
        if started.returncode != 0:
            raise RuntimeError(f"no ensemble: {started.stderr.strip()}")
        yield json.loads(started.stdout)
    finally:
        call("stop")


def processor_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def live_heap(pid):
    """Bytes after a full collection; None without jcmd."""
    if shutil.which("jcmd") is None:
        return None
    for _ in range(2):  # the second one takes what the first only made unreachable
        subprocess.run(["jcmd", str(pid), "GC.run"], stdout=subprocess.DEVNULL, check=True)
    text = subprocess.run(["jcmd", str(pid), "GC.heap_info"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return sum(int(kilobytes) * 1024 for kilobytes in re.findall(r"generation\s+total \d+K, used (\d+)K", text))


def pipelined(requests):
    """Calls each, which starts a request, and waits for the oldest when WINDOW are in flight."""
    waiting = []
    for request in requests:
        waiting.append(request())
        if len(waiting) >= WINDOW:
            waiting.pop(0).get(timeout=120)
    for reply in waiting:
        reply.get(timeout=120)


def create_all(client, nodes, batch=200):
    """`nodes` yields (path, value)."""
    def start(group):
        transaction = client.transaction()
        for path, value in group:
            transaction.create(path, value)
        return transaction.commit_async()

    def requests():
        group = []
        for node in nodes:
            group.append(node)
            if len(group) == batch:
                yield lambda group=tuple(group): start(group)
                group = []
        if group:
            yield lambda: start(group)
    pipelined(requests())


def bare_session(address, timeout_ms=30_000):
    """A session with nothing in it: a socket on which only the handshake was done."""
    host, port = address.rsplit(":", 1)
    connection = socket.create_connection((host, int(port)), 10)
    hello = struct.pack(">iqiqi16s?", 0, 0, timeout_ms, 0, 16, b"\0" * 16, False)
    connection.sendall(struct.pack(">i", len(hello)) + hello)
    if len(connection.recv(64)) < 20:
        raise RuntimeError("the server refused a session")
    return connection


def heap_costs(client, leader, address, tables):
    heads = [f"/t/{index % 256:02x}/{uuid.UUID(int=index)}" for index in range(tables)]
    for parent in ("/ns", "/ns/t", "/t"):
        client.create(parent)
    create_all(client, ((f"/{where}/{bucket:02x}", b"") for where in ("t", "ns/t") for bucket in range(256)))

    def table_nodes():
        for index, head in enumerate(heads):
            yield f"/ns/t/{index % 256:02x}/orders_{index:07}", NAME
            yield head, HEAD
            yield head + "/r", b""
            yield head + "/q", b""

    def settled():
        # A server keeps the last 500 modifications for followers that come back: let them be small ones.
        pipelined(lambda: client.set_async("/ns", b"") for _ in range(600))
        return live_heap(leader)

    empty = settled()
    create_all(client, table_nodes())
    with_tables = settled()
    create_all(client, ((f"{head}/r/{n:019}", RECORD) for head in heads for n in range(1, 6)))
    with_records = settled()
    pipelined(lambda head=head: client.get_async(head, watch=lambda event: None) for head in heads)
    with_watches = settled()
    sessions = [bare_session(address) for _ in range(1000)]
    with_sessions = settled()
    for session in sessions:
        session.close()
    return {"table, no record (4 nodes)": (with_tables - empty) / tables,
            "record": (with_records - with_tables) / (5 * tables),
            "watch of a head": (with_watches - with_records) / tables,
            "session": (with_sessions - with_watches) / len(sessions)}


def processor_costs(client, pids, leader, count):
    """Microseconds of the leader and of a follower for each request of a kind. The client talks to the leader."""
    client.create("/cost")
    for name in ("head", "r", "q"):
        client.create(f"/cost/{name}", HEAD)
    number = iter(range(10 ** 9))

    def sets(amount):
        return [lambda: client.set_async("/cost/head", HEAD)] * amount

    def reads(amount):
        return [lambda: client.get_async("/cost/head")] * amount

    def entries(amount):
        paths = [f"/cost/q/c-{uuid.UUID(int=next(number))}" for _ in range(amount)]
        return [lambda path=path: client.create_async(path, ENTRY) for path in paths], paths

    def round_of(paths):
        transaction = client.transaction()
        transaction.set_data("/cost/head", HEAD)
        transaction.create(f"/cost/r/{next(number):019}", RECORD)
        for path in paths:
            transaction.delete(path, 0)
        return transaction.commit_async()

    def rounds(amount, size):
        creates, paths = entries(amount * size)
        pipelined(create for create in creates)
        return [lambda group=paths[at:at + size]: round_of(group) for at in range(0, len(paths), size)]

    def measure(make, amount):
        pipelined(iter(make(amount)))  # the compiler warms up
        requests = make(amount)
        before = {pid: processor_seconds(pid) for pid in pids}
        pipelined(iter(requests))
        spent = {pid: (processor_seconds(pid) - before[pid]) / amount * 1e6 for pid in pids}
        others = [spent[pid] for pid in pids if pid != leader]
        return {"leader": spent[leader], "follower": statistics.mean(others) if others else 0.0}

    return {"set of a head": measure(sets, count),
            "read of a head": measure(reads, count),
            "create of an entry": measure(lambda amount: entries(amount)[0], count),
            "round of 50 (52 operations)": measure(lambda amount: rounds(amount, 50), max(count // 50, 100)),
            "round of 1 (3 operations)": measure(lambda amount: rounds(amount, 1), count // 4)}


def sync_milliseconds(folder, count=300):
    """Of an append of 600 bytes and fdatasync, as a server does it for each group of requests."""
    path = folder / "synced"
    samples = []
    with open(path, "wb") as file:
        for _ in range(count):
            began = time.perf_counter()
            file.write(b"x" * 600)
            file.flush()
            os.fdatasync(file.fileno())
            samples.append((time.perf_counter() - began) * 1e3)
    path.unlink()
    cuts = statistics.quantiles(samples, n=100)
    return {"median": cuts[49], "p99": cuts[98]}


def run(folder, tables, count):
    folder.mkdir(parents=True, exist_ok=True)
    costs = {"sync here, ms": sync_milliseconds(folder)}
    for size in (1, 3):
        with ensemble(folder / f"ensemble-{size}", size, heap_mb=1024) as state:
            servers = state["servers"]
            leading = next(server for server in servers if server["role"] in ("leader", "standalone"))
            pids, address = [server["pid"] for server in servers], f"127.0.0.1:{leading['port']}"
            client = KazooClient(address, timeout=60)
            client.start(timeout=30)
            try:
                if size == 1 and live_heap(leading["pid"]) is not None:
                    costs["heap, bytes"] = heap_costs(client, leading["pid"], address, tables)
                processor = processor_costs(client, pids, leading["pid"], count)
                costs[f"processor of {size} servers, microseconds"] = processor
            finally:
                client.stop()
                client.close()
    return costs
