"""The nemesis: kills and stops processes and servers and cuts the network between them, by a schedule drawn from a seed.
What it undoes later (a restart, SIGCONT, a cut) is on a list, so that a quorum comes back always."""
import heapq
import threading
import time
from collections import Counter

SILENCE_SECONDS = 14  # a peer that is silent for ten ticks of a second is given up


class Nemesis:
    """What it does is of several `kinds`, each against something. A kind has

    DEEDS                  what it does, and how often in proportion to those of all kinds
    strike(deed, nemesis)  does it, when that is possible now, and says whether it did; nemesis.after() undoes it
    look()                 called again and again
    relent()               all is well again, once everything on the list is undone
    """

    def __init__(self, chance, *kinds):
        self.random = chance
        self.kinds = kinds
        self.deeds = [(deed, weight, kind) for kind in kinds for deed, weight in kind.DEEDS.items()]
        self.later = []  # (when, number, what)
        self.done = Counter()

    def after(self, seconds, act):
        heapq.heappush(self.later, (time.monotonic() + seconds, self.random.random(), act))

    def strike(self):
        (deed, _, kind), = self.random.choices(self.deeds, [weight for _, weight, _ in self.deeds])
        if kind.strike(deed, self):
            self.done[deed] += 1

    def _undo(self, until):
        while self.later and self.later[0][0] <= until:
            heapq.heappop(self.later)[2]()

    def rage(self, seconds):
        end = time.monotonic() + seconds
        pause = threading.Event()
        strike_at = time.monotonic()
        while time.monotonic() < end:
            for kind in self.kinds:
                kind.look()
            self._undo(time.monotonic())
            if time.monotonic() >= strike_at:
                self.strike()
                strike_at = time.monotonic() + self.random.uniform(0.1, 1.2)
            pause.wait(0.05)

    def relent(self):
        self._undo(float("inf"))
        for kind in self.kinds:
            kind.relent()


class AgainstServers:
    DEEDS = {"kill a follower": 2, "kill the leader": 2, "stop a follower": 3, "stop the leader": 2,
             "kill two servers": 1}

    def __init__(self, servers, chance):
        self.servers, self.random = servers, chance

    def strike(self, deed, nemesis):
        if not self.servers.settle():
            return False
        server = self.servers.with_role("leader" if "leader" in deed else "follower")
        if deed == "kill two servers":
            self._kill(server, 2, nemesis)
            self._kill(self.servers.with_role("leader"), 2, nemesis)
        elif deed.startswith("kill"):
            self._kill(server, 4, nemesis)
        else:
            self.servers.stop(server)
            # Up to what makes the others elect another leader, and sessions end while their requests lie in its
            # sockets.
            nemesis.after(self.random.uniform(0.3, SILENCE_SECONDS), lambda: self.servers.go_on(server))
        return True

    def _kill(self, server, seconds_at_most, nemesis):
        self.servers.kill(server)
        nemesis.after(self.random.uniform(0.5, seconds_at_most), lambda: self.servers.restart(server))

    def look(self):
        self.servers.settle()

    def relent(self):
        self.servers.heal()
