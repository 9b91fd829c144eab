"""A ZooKeeper server on a host of its own (network.py), for tests that break the network or the server."""
import glob
import json
import os
import signal
import socket
import subprocess
import time

SILENT_TICKS = 10
NETTY = "org.apache.zookeeper.server.NettyServerCnxnFactory"
NETTY_OPTIONS = [f"-Dio.netty.{option}" for option in (
    "transport.noNative=true", "allocator.type=unpooled", "noUnsafe=true")]
PATIENCE = 120.0  # for what must happen, on a machine that others load


def now():
    return time.monotonic()


def await_that(what, condition):
    """Looks again and again until the condition is true, and returns what it gave."""
    deadline = now() + PATIENCE
    while True:
        found = condition()
        if found:
            return found
        if now() > deadline:
            raise AssertionError(f"not within {PATIENCE} s: {what}")
        time.sleep(0.05)


class Server:
    """`tick` is in seconds; a peer that is silent for ten of them is given up."""

    def __init__(self, number, host, folder, classpath, tick):
        self.number, self.host = number, host
        self.folder = f"{folder}/server-{number}"
        self.classpath, self.tick = classpath, tick
        self.process = None
        self.stopped = False

    def start(self, servers):
        os.makedirs(f"{self.folder}/data", exist_ok=True)
        with open(f"{self.folder}/data/myid", "w") as file:
            file.write(str(self.number))
        settings = {
            "clientPort": 2181, "clientPortAddress": self.host.address, "dataDir": f"{self.folder}/data",
            "tickTime": int(self.tick * 1000), "initLimit": 30, "syncLimit": SILENT_TICKS, "maxSessionTimeout": 300_000,
            "admin.enableServer": "false", "4lw.commands.whitelist": "srvr,cons", "preAllocSize": 4096,
            "extendedTypesEnabled": "true",
            # Both ways of serving connections, ours and ZooKeeper's default.
            **({"serverCnxnFactory": NETTY} if self.number % 2 == 1 else {}),
            **{f"server.{server.number}": f"{server.host.address}:2888:3888" for server in servers}}
        with open(f"{self.folder}/zoo.cfg", "w") as file:
            file.writelines(f"{key}={value}\n" for key, value in settings.items())
        with open(f"{self.folder}/server.log", "a") as log:
            self.process = subprocess.Popen(
                self.host.inside("java", "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                                 *NETTY_OPTIONS,
                                 # One that was cut off asks for its peers ever more seldom, up to each minute.
                                 "-Dzookeeper.fastleader.maxNotificationInterval=800",
                                 "-Djava.net.preferIPv4Stack=true", "-Dorg.slf4j.simpleLogger.defaultLogLevel=info",
                                 "-Dorg.slf4j.simpleLogger.showDateTime=true", "-cp", self.classpath,
                                 "org.apache.zookeeper.server.quorum.QuorumPeerMain", f"{self.folder}/zoo.cfg"),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def ask(self, word, seconds=2):
        """The answer to a four letter word, asked from the router, which no cut concerns; "" without one."""
        answer = b""
        try:
            with socket.create_connection((self.host.address, 2181), seconds) as connection:
                connection.settimeout(seconds)
                connection.sendall(word.encode())
                while piece := connection.recv(65536):
                    answer += piece
        except OSError:
            return ""
        return answer.decode()

    def role(self, seconds=2):
        """"leader", "follower", or "" of one that does not serve."""
        if self.stopped or self.process is None:
            return ""
        return self.ask("srvr", seconds).partition("Mode: ")[2].partition("\n")[0]

    def serves(self, host):
        return not self.stopped and f"/{host.address}:" in self.ask("cons")

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self):
        """Returns when it stands still: until one thread has taken the signal the others go on."""
        self.process.send_signal(signal.SIGSTOP)
        self.stopped = True
        await_that("the server stands still", lambda: set(self.thread_states()) == {"T"})

    def thread_states(self):
        for thread in glob.glob(f"/proc/{self.process.pid}/task/*/stat"):
            with open(thread) as file:
                yield file.read().rpartition(")")[2].split()[0]

    def wake(self):
        self.process.send_signal(signal.SIGCONT)
        self.stopped = False


def fetch_server(binary):
    """The class path of the server that the binary brings."""
    fetched = subprocess.run([binary, "--json", "ensemble", "fetch"], capture_output=True, text=True, timeout=60)
    if fetched.returncode != 0:
        raise AssertionError(f"no server: {fetched.stderr}")
    return json.loads(fetched.stdout)["classpath"]
