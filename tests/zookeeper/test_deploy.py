"""Servers run with the settings of deploy/, and the probes there find them well.

What the files tell the image `zookeeper` becomes a zoo.cfg, by the image's start script; here this does the same. Only
hosts, ports and folders are this machine's. Neither Docker nor Kubernetes takes part: what they make of the files is
not tested here.
"""
import json
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import threading
import time
import unittest

BINARY = os.environ["PARKEEPER"]
DEPLOY = pathlib.Path(__file__).parents[2] / "deploy"
CLASSPATH = json.loads(subprocess.run([BINARY, "--json", "ensemble", "fetch"], check=True,
                                      capture_output=True).stdout)["classpath"]
# What the image makes of a variable, and of one that is not set.
SETTINGS = {"ZOO_TICK_TIME": ("tickTime", "2000"), "ZOO_INIT_LIMIT": ("initLimit", "5"),
            "ZOO_SYNC_LIMIT": ("syncLimit", "2"),
            "ZOO_AUTOPURGE_SNAPRETAINCOUNT": ("autopurge.snapRetainCount", "3"),
            "ZOO_AUTOPURGE_PURGEINTERVAL": ("autopurge.purgeInterval", "0"),
            "ZOO_MAX_CLIENT_CNXNS": ("maxClientCnxns", "60"),
            "ZOO_STANDALONE_ENABLED": ("standaloneEnabled", "true"),
            "ZOO_ADMINSERVER_ENABLED": ("admin.enableServer", "true"),
            "ZOO_4LW_COMMANDS_WHITELIST": ("4lw.commands.whitelist", "srvr")}
VARIABLE = r"ZOO_\w+|JVMFLAGS"
OTHERS = {"ZOO_SERVERS", "ZOO_CFG_EXTRA", "ZOO_MY_ID"}


def free_ports(count):
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def environment(text):
    """The variables of a container, as the one file and the other write them."""
    found = re.findall(r'^ +(\w+): "?([^"\n>{]+)"?$', text, re.MULTILINE)
    found += re.findall(r'\{name: (\w+), value: "([^"]*)"\}', text)
    folded = re.finditer(r"^( *)(?:- name: (\w+)\n *value|(\w+)): >-\n((?:\1 +.*\n)+)", text, re.MULTILINE)
    found += [(match[2] or match[3], " ".join(match[4].split())) for match in folded]
    return {name: value for name, value in found if re.fullmatch(VARIABLE, name)}


class Servers:
    """Three servers with the settings of one file."""

    def __init__(self, text, folder):
        self.folder, self.variables, self.processes = pathlib.Path(folder), environment(text), {}
        servers = re.findall(r"server\.(\d)=[\w.-]+:2888:3888;2181", text)
        ports = iter(free_ports(3 * len(servers)))
        self.client_ports, self.lines = {}, []
        for number in servers:
            quorum, election, client = next(ports), next(ports), next(ports)
            self.client_ports[number] = client
            self.lines.append(f"server.{number}=127.0.0.1:{quorum}:{election};127.0.0.1:{client}")

    def configuration(self, own):
        values = [f"dataDir={own}/data", f"dataLogDir={own}/log"]
        values += [f"{key}={self.variables.get(name, default)}" for name, (key, default) in SETTINGS.items()]
        return "\n".join(values + self.lines + self.variables.get("ZOO_CFG_EXTRA", "").split()) + "\n"

    def start(self):
        for number in self.client_ports:
            own = self.folder / number
            (own / "data").mkdir(parents=True)
            (own / "data/myid").write_text(number)
            (own / "zoo.cfg").write_text(self.configuration(own))
            with open(own / "out", "wb") as out:
                self.processes[number] = subprocess.Popen(
                    ["java", *self.variables["JVMFLAGS"].split(), "-XX:+UseSerialGC",
                     "-Djava.net.preferIPv4Stack=true", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", CLASSPATH,
                     "org.apache.zookeeper.server.quorum.QuorumPeerMain", str(own / "zoo.cfg")], stdout=out, stderr=out)

    def stop(self):
        for process in self.processes.values():
            process.kill()
            process.wait(timeout=60)

    def ask(self, number, word):
        """What a server answers to a four-letter word; nothing when it does not listen."""
        try:
            with socket.create_connection(("127.0.0.1", self.client_ports[number]), timeout=5) as connection:
                connection.sendall(word.encode())
                return b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        except OSError:
            return ""

    def await_answer(self, number, word, answer):
        deadline = time.monotonic() + 200
        while not re.search(answer, self.ask(number, word)):
            process = self.processes[number]
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"server {number} does not answer {word} with {answer}:\n"
                                     + (self.folder / number / "out").read_text()[-4000:])
            threading.Event().wait(0.1)


class DeployTest(unittest.TestCase):
    def check(self, name):
        text = (DEPLOY / name).read_text()
        folder = tempfile.TemporaryDirectory(prefix="parkeeper-deploy-")
        self.addCleanup(folder.cleanup)
        servers = Servers(text, folder.name)
        self.assertEqual(list(servers.client_ports), ["1", "2", "3"])
        named = set(re.findall(r"\bZOO_\w+", text))
        self.assertLessEqual(named, SETTINGS.keys() | OTHERS, "the image knows no such variable")
        self.assertLessEqual(named | {"JVMFLAGS"}, servers.variables.keys() | {"ZOO_MY_ID"}, "this test reads all")
        self.addCleanup(servers.stop)
        servers.start()
        probes = re.findall(r"echo (\w+) \| nc -w 2 localhost 2181 \| grep -q (\w+)", text)
        self.assertIn(("srvr", "Mode"), probes)
        for number in servers.client_ports:
            for word, answer in probes:
                servers.await_answer(number, word, answer)
        for word in servers.variables["ZOO_4LW_COMMANDS_WHITELIST"].split(","):
            said = servers.ask("1", word)
            self.assertTrue(said and "whitelist" not in said, f"{word}: {said}")
        self.assertIn("whitelist", servers.ask("1", "cons"), "only what is named")
        connect = ",".join(f"127.0.0.1:{port}" for port in servers.client_ports.values())
        self.create(connect, "/first")
        # One may fail.
        servers.processes["3"].kill()
        self.create(connect, "/second")

    def create(self, connect, path):
        lake = f"zk://{connect}/lake?warehouse=file:///nowhere"
        done = subprocess.run([BINARY, "--lake", lake, "node", "create", path], capture_output=True, text=True,
                              timeout=90)
        self.assertEqual((done.returncode, done.stdout), (0, path + "\n"), done.stderr)

    def test_compose(self):
        self.check("compose.yaml")

    def test_kubernetes(self):
        self.check("kubernetes.yaml")


if __name__ == "__main__":
    unittest.main()
