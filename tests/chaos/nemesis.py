"""The nemesis: kills and stops writers, combiners and servers, and cuts the network between them, by a schedule drawn
from a seed. What it undoes later (a restart, SIGCONT, a cut) is on a list, so that a quorum comes back always."""
import heapq
import random
import threading
import time
from collections import Counter

from kazoo.client import KazooClient

# What it does, and how often in proportion.
DEEDS = {
    "kill a writer": 5, "kill the combiner": 3, "stop a writer": 4, "stop the combiner": 3,
    "kill a follower": 2, "kill the leader": 2, "stop a follower": 3, "stop the leader": 2, "kill two servers": 1,
}

SILENCE_SECONDS = 14  # a peer that is silent for ten ticks of a second is given up


class Nemesis:
    """`partitions` cuts the network (separate_servers.py); None: nothing is cut."""

    def __init__(self, seed, writers, servers, hosts, session_seconds, partitions=None):
        self.random = random.Random(seed)
        self.writers, self.servers = writers, servers
        self.partitions = partitions(servers, self.random) if partitions else None
        self.deeds = DEEDS | (partitions.DEEDS if partitions else {})
        self.session_seconds = session_seconds
        self.later = []   # (when, number, what)
        self.done = Counter()
        self.client = KazooClient(hosts=hosts, timeout=10)
        self.client.start_async()
        self.head = None

    def after(self, seconds, act):
        heapq.heappush(self.later, (time.monotonic() + seconds, self.random.random(), act))

    def combiner(self):
        """The writer whose session holds the lease; any when nobody has it or no server tells."""
        try:
            if self.head is None:
                self.head = self._find_head()
            stat = self.client.exists_async(f"{self.head}/lease").get(timeout=1)
            owner = self.writers.sessions().get(f"{stat.ephemeralOwner:x}") if stat else None
        except Exception:  # kazoo's errors have no common ancestor; a server that is away is no reason to stop
            owner = None
        if owner in self.writers.free():
            self.done["met the combiner"] += 1
            return owner
        return self.any_writer()

    def _find_head(self):
        children = lambda path: self.client.get_children_async(path).get(timeout=1)
        return next(f"/t/{bucket}/{key}" for bucket in children("/t") for key in children(f"/t/{bucket}"))

    def any_writer(self):
        free = self.writers.free()
        return self.random.choice(free) if len(free) > self.writers.count // 2 else None

    def kill_writer(self, writer):
        self.writers.kill(writer)
        self.after(self.random.uniform(0, 1.5), lambda: self.writers.start(writer))

    def stop_writer(self, writer):
        self.writers.stop(writer)
        seconds = self.random.uniform(0.1, 1.7 * self.session_seconds)
        if self.writers.has_open_repeat(writer):
            self.done["asked beside a stopped writer"] += 1
            self.writers.ask_beside(writer)
        self.after(seconds, lambda: self.writers.go_on(writer))

    def kill_server(self, server, seconds):
        self.servers.kill(server)
        self.after(seconds, lambda: self.servers.restart(server))

    def stop_server(self, server):
        self.servers.stop(server)
        # Up to what makes the others elect another leader, and sessions end while their requests lie in its sockets.
        seconds = self.random.uniform(0.3, SILENCE_SECONDS)
        self.after(seconds, lambda: self.servers.go_on(server))

    def _on_writer(self, deed):
        writer = self.combiner() if "combiner" in deed else self.any_writer()
        if writer is None:
            return False
        (self.kill_writer if deed.startswith("kill") else self.stop_writer)(writer)
        return True

    def _on_servers(self, deed):
        if not self.servers.settle():
            return False
        server = self.servers.with_role("leader" if "leader" in deed else "follower")
        if deed == "kill two servers":
            self.kill_server(server, self.random.uniform(0.5, 2))
            self.kill_server(self.servers.with_role("leader"), self.random.uniform(0.5, 2))
        elif deed.startswith("kill"):
            self.kill_server(server, self.random.uniform(0.5, 4))
        else:
            self.stop_server(server)
        return True

    def _on_network(self, deed):
        seconds = self.partitions.cut(deed)
        if seconds is not None:
            self.after(seconds, self.partitions.heal)
        return seconds is not None

    def strike(self):
        deed = self.random.choices(list(self.deeds), self.deeds.values())[0]
        if self.partitions and deed in self.partitions.DEEDS:
            act = self._on_network
        elif "writer" in deed or "combiner" in deed:
            act = self._on_writer
        else:
            act = self._on_servers
        if act(deed):
            self.done[deed] += 1

    def _undo(self, until):
        while self.later and self.later[0][0] <= until:
            heapq.heappop(self.later)[2]()

    def rage(self, seconds):
        end = time.monotonic() + seconds
        pause = threading.Event()
        strike_at = time.monotonic()
        while time.monotonic() < end:
            self.writers.look_for_surprises()
            self.servers.settle()
            self._undo(time.monotonic())
            if time.monotonic() >= strike_at:
                self.strike()
                strike_at = time.monotonic() + self.random.uniform(0.1, 1.2)
            pause.wait(0.05)

    def relent(self):
        self._undo(float("inf"))
        self.servers.heal()
        self.client.stop()
        self.client.close()
