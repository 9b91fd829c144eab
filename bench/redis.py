"""A Redis server of this machine, in a folder and on a port of its own."""
import signal
import socket
import subprocess
import time

from bench.child import ChildFailed

# Debian's package redis-tools has the server too, under this name: it is the server when it is called so. The package
# redis-server is a link to it, and a service that nobody asked for.
PROGRAM = "/usr/bin/redis-check-rdb"
START_SECONDS = 20


def _free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Redis:
    """Serves within a with statement; begins empty and always ends. `fsync`: of its append-only file, as Redis names
    it. It takes no snapshots meanwhile."""

    def __init__(self, folder, fsync):
        self.folder, self.fsync, self.process = folder, fsync, None

    def __enter__(self):
        self.folder.mkdir(parents=True)
        self.port = _free_port()
        try:
            self.process = subprocess.Popen(
                ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder),
                 "--appendonly", "yes", "--appendfsync", self.fsync, "--save", "", "--logfile", "redis.log"],
                executable=PROGRAM, stdin=subprocess.DEVNULL)
            self._await()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _await(self):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                    connection.sendall(b"PING\r\n")
                    if connection.recv(16).startswith(b"+PONG"):
                        return
            except OSError:
                pass
            time.sleep(0.05)
        raise ChildFailed(f"redis-server does not answer on port {self.port}")

    def __exit__(self, *_):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}/0"
