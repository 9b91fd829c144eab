"""kazoo: one thread that begins requests and waits for the oldest. Commands and answers as in measure.h."""
import collections
import json
import sys
import threading
import time

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException

VALUE = b"v" * 100
WATCH_CONNECTIONS = 20


class Measurement:
    def __init__(self, seconds):
        self.latencies, self.failed = [], 0
        self.cpu = time.process_time()
        self.start = self.last = time.perf_counter()
        self.end = self.start + seconds

    def done(self, begun, ok, told=None):
        self.last = told or time.perf_counter()
        self.latencies.append(self.last - begun)
        self.failed += not ok

    def over(self):
        return self.last >= self.end

    def print(self):
        cpu = time.process_time() - self.cpu
        self.latencies.sort()

        def percentile(part):
            return self.latencies[int(part * (len(self.latencies) - 1))] * 1000

        print(json.dumps({"operations": len(self.latencies), "failed": self.failed, "seconds": self.last - self.start,
                          "cpu": cpu, "p50_ms": percentile(0.5), "p99_ms": percentile(0.99)}), flush=True)


def connect(hosts):
    client = KazooClient(hosts)
    client.start(timeout=10)
    return client


def close(client):
    client.stop()
    client.close()


def multi(client, root, number):
    transaction = client.transaction()
    transaction.check(f"{root}/node", -1)
    transaction.set_data(f"{root}/node", VALUE)
    transaction.create(f"{root}/n{number}", VALUE)
    return transaction


def committed(results):
    return not any(isinstance(result, Exception) for result in results)


def operations(client, kind, root):
    """Of a kind: the call that waits, the call that does not, and whether its value is a success."""
    node = f"{root}/node"
    return {
        "get": (lambda i: client.get(node), lambda i: client.get_async(node), bool),
        "set": (lambda i: client.set(node, VALUE), lambda i: client.set_async(node, VALUE), bool),
        "create": (lambda i: client.create(f"{root}/n{i}", VALUE),
                   lambda i: client.create_async(f"{root}/n{i}", VALUE), bool),
        "multi": (lambda i: multi(client, root, i).commit(), lambda i: multi(client, root, i).commit_async(), committed),
    }[kind]


def run_requests(kind, hosts, root, seconds, count):
    client = connect(hosts)
    wait_for, begin, succeeded = operations(client, kind, root)

    def outcome(call):
        try:
            return succeeded(call())
        except KazooException:
            return False

    measurement, number = Measurement(seconds), 0
    if count == 1:
        while not measurement.over():
            begun = time.perf_counter()
            measurement.done(begun, outcome(lambda: wait_for(number)))
            number += 1
    else:
        under_way = collections.deque()
        while not measurement.over() or under_way:
            while not measurement.over() and len(under_way) < count:
                under_way.append((time.perf_counter(), begin(number)))
                number += 1
            if under_way:
                begun, pending = under_way.popleft()
                measurement.done(begun, outcome(pending.get))
    measurement.print()
    close(client)


class Watchers:
    """Watchers that are told once and armed again."""

    def __init__(self, hosts, node, count):
        self.node, self.count = node, count
        hosts = hosts.split(",")
        self.clients = [connect(hosts[i % len(hosts)]) for i in range(WATCH_CONNECTIONS)]
        self.lock, self.all_told = threading.Lock(), threading.Event()
        self.untold, self.last = 0, None

    def _told(self, _):
        with self.lock:
            self.untold -= 1
            if self.untold == 0:
                self.last = time.perf_counter()
                self.all_told.set()

    def arm(self):
        self.untold = self.count
        self.all_told.clear()
        # A function of its own for each: a client keeps a set of them.
        pending = [self.clients[i % WATCH_CONNECTIONS].get_async(self.node, watch=lambda event: self._told(event))
                   for i in range(self.count)]
        for each in pending:
            each.get(timeout=30)

    def wait_for_last(self):
        if not self.all_told.wait(30):
            sys.exit("a watcher was not told")
        return self.last

    def close(self):
        for client in self.clients:
            close(client)


def run_watch(hosts, root, seconds, count):
    changer = connect(hosts.split(",")[0])
    watchers = Watchers(hosts, f"{root}/node", count)
    measurement = Measurement(seconds)
    while not measurement.over():
        watchers.arm()
        begun = time.perf_counter()
        changer.set(f"{root}/node", VALUE)
        measurement.done(begun, True, watchers.wait_for_last())
    measurement.print()
    watchers.close()
    close(changer)


def main():
    for line in sys.stdin:
        kind, hosts, root, seconds, count = line.split()
        if kind == "watch":
            run_watch(hosts, root, float(seconds), int(count))
        else:
            run_requests(kind, hosts, root, float(seconds), int(count))


if __name__ == "__main__":
    main()
