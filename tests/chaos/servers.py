"""The servers of an ensemble, to be killed and stopped: asked by the four-letter words, signalled by pid."""
import os
import pathlib
import signal
import socket
import subprocess

HEALING_TRIES = 3  # each waits as long as the command does


class Servers:
    def __init__(self, binary, folder, connect):
        self.binary, self.folder, self.connect = binary, pathlib.Path(folder), connect
        self.ports = [int(host.rsplit(":", 1)[1]) for host in connect.split(",")]
        self.down = {}        # server to None, or "to be started"
        self.starting = None  # (server, the command)
        self.stopped = set()

    def __len__(self):
        return len(self.ports)

    def role(self, server):
        """"leader", "follower", or None of one that does not serve."""
        try:
            with socket.create_connection(("127.0.0.1", self.ports[server]), timeout=0.3) as connection:
                connection.settimeout(0.3)
                connection.sendall(b"srvr")
                reply = b"".join(iter(lambda: connection.recv(4096), b"")).decode()
        except OSError:
            return None
        return next((line.split(": ")[1] for line in reply.splitlines() if line.startswith("Mode: ")), None)

    def with_role(self, role):
        """One of them, or any that runs."""
        free = [s for s in range(len(self)) if s not in self.down and s not in self.stopped]
        return next((server for server in free if self.role(server) == role), free[0] if free else None)

    def _signal(self, server, what):
        os.kill(int((self.folder / f"server-{server + 1}" / "server.pid").read_text().split()[0]), what)

    def kill(self, server):
        self._signal(server, signal.SIGKILL)
        self.down[server] = None

    def stop(self, server):
        self._signal(server, signal.SIGSTOP)
        self.stopped.add(server)

    def go_on(self, server):
        self._signal(server, signal.SIGCONT)
        self.stopped.discard(server)

    def restart(self, server):
        """To be begun by settle(), which also says when it is done."""
        self.down[server] = "to be started"

    def settle(self):
        """Whether all are up and nothing is on its way. Starts those that are to be, one at a time, for commands on
        one ensemble exclude each other, and again when that failed."""
        if self.starting is not None and self.starting[1].poll() is not None:
            server, command = self.starting
            self.starting = None
            if command.returncode == 0:
                del self.down[server]
        waiting = [server for server, what in self.down.items() if what is not None]
        if self.starting is None and waiting:
            with open(self.folder / "restarts.log", "ab") as log:
                self.starting = waiting[0], subprocess.Popen(
                    [self.binary, "--quiet", "ensemble", "start", "--dir", self.folder, "--server",
                     str(waiting[0] + 1)], stdout=subprocess.DEVNULL, stderr=log)
        return not self.down and not self.stopped

    def heal(self):
        """All up, with a quorum."""
        for server in list(self.stopped):
            self.go_on(server)
        if self.starting is not None:
            self.starting[1].wait(timeout=120)
        for _ in range(HEALING_TRIES):
            done = subprocess.run([self.binary, "--quiet", "ensemble", "start", "--dir", self.folder],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=120)
            if done.returncode == 0:
                self.down.clear()
                return
        raise AssertionError(f"the ensemble does not come back: {done.stderr}")


def open_servers(binary, folder):
    """(servers, machines of their clients, what cuts the network between them): in a network of this process' own, with
    the servers' files in `folder`; without one those of PARKEEPER_TEST_ENSEMBLE (with_ensemble.py)."""
    if folder is None:
        print("not in a network of its own, so nothing is cut", flush=True)
        return Servers(binary, os.environ["PARKEEPER_TEST_ENSEMBLE"], os.environ["PARKEEPER_TEST_ZOOKEEPER"]), (), None
    from separate_servers import Partitions, SeparateServers
    servers = SeparateServers(binary, folder)
    return servers, servers.machines, Partitions
