"""Three servers and the machines of their clients, each a host of its own, between which the network is cut. As Servers
(servers.py) to whoever kills and stops them. All ends with the namespaces that it is in (network.py)."""
import shutil

from network import Network
from separate_server import SILENT_TICKS, Server, await_that, fetch_server

TICK = 1.0
SILENCE = SILENT_TICKS * TICK  # after which a server is given up
MACHINES = 2
ROLE_SECONDS = 0.3


class SeparateServers:
    def __init__(self, binary, folder):
        shutil.rmtree(folder, ignore_errors=True)
        self.network = Network()
        classpath = fetch_server(binary)
        self.servers = [Server(number, self.network.add_host(), folder, classpath, TICK) for number in (1, 2, 3)]
        self.machines = [self.network.add_host() for _ in range(MACHINES)]
        self.connect = ",".join(f"{server.host.address}:2181" for server in self.servers)
        self.down = {}  # server to None, or "started"
        self.stopped = set()
        self.heal()

    def __len__(self):
        return len(self.servers)

    def role(self, server):
        return self.servers[server].role(ROLE_SECONDS) or None

    def with_role(self, role):
        """One of them, or any that runs."""
        free = [s for s in range(len(self)) if s not in self.down and s not in self.stopped]
        return next((server for server in free if self.role(server) == role), free[0] if free else None)

    def kill(self, server):
        self.servers[server].kill()
        self.down[server] = None

    def stop(self, server):
        self.servers[server].stop()
        self.stopped.add(server)

    def go_on(self, server):
        self.servers[server].wake()
        self.stopped.discard(server)

    def restart(self, server):
        """It is down until it serves, which settle() finds out."""
        self.servers[server].start(self.servers)
        self.down[server] = "started"

    def settle(self):
        """Whether all are up and nothing is on its way."""
        for server, what in list(self.down.items()):
            if what is not None and self.role(server):
                del self.down[server]
        return not self.down and not self.stopped

    def heal(self):
        """All up, with a quorum."""
        self.network.heal()
        for server in list(self.stopped):
            self.go_on(server)
        for server in self.servers:
            if server.process is None:
                server.start(self.servers)
        await_that("the servers serve", lambda: all(server.role() for server in self.servers))
        self.down.clear()


class Partitions:
    """Cuts between the hosts, one at a time; a kind of the nemesis."""

    DEEDS = {"cut off a follower": 2, "cut off the leader": 2, "cut off a machine of clients": 3,
             "lose what goes one way": 3}

    def __init__(self, servers, chance):
        self.servers, self.random = servers, chance
        self.network = servers.network
        self.is_cut = False

    def strike(self, deed, nemesis):
        if self.is_cut:
            return False
        hosts = [server.host for server in self.servers.servers]
        if deed == "cut off a machine of clients":
            self.network.cut(self.random.choice(self.servers.machines), *hosts)
        elif deed == "lose what goes one way":
            self._lose_one_way(hosts)
        else:
            server = self.servers.with_role("leader" if "leader" in deed else "follower")
            if server is None:
                return False
            away = hosts[server]
            # From the other servers; and from its clients too, or they go on asking one that cannot answer.
            others = [host for host in hosts if host is not away]
            self.network.cut(away, *others, *(self.servers.machines if self.random.random() < 0.5 else []))
        self.is_cut = True
        # Up to what makes the others elect another leader and ends sessions.
        nemesis.after(self.random.uniform(0.3, 1.4 * SILENCE), self.heal)
        return True

    def _lose_one_way(self, hosts):
        server = self.random.choice(hosts)
        other = self.random.choice([host for host in hosts + self.servers.machines if host is not server])
        ends = [server, other]
        self.random.shuffle(ends)
        self.network.cut_way(*ends)

    def heal(self):
        self.network.heal()
        self.is_cut = False

    def look(self):
        pass

    def relent(self):
        self.heal()
