"""A network of its own for one test process, in which any way between two hosts can be cut or made slow.

It exists in namespaces without names, which the process enters when it is started so:

    unshare --net --mount --pid --fork --kill-child --mount-proc python -m unittest ...

Nothing is left of it, nor of a process in it, when that command ends or is killed, and any number of them run side by
side. This process is on the router; each host is a namespace of its own, one hop away from it. The addresses are of the
range for tests of networks (RFC 2544), and are known here only.

    python network.py    exits with 0 when the machine allows all this
"""
import fcntl
import heapq
import os
import select
import struct
import subprocess
import sys
import threading
import time

ROUTER = "198.18.0.254"
SLOW_TABLE = "100"  # of the routes that lead through a slow link
os.environ["PATH"] += ":/usr/sbin"  # of `ip`, which users do not have there
IOCTL_TUNSETIFF, TUN_WITHOUT_HEADER = 0x400454CA, 0x1001


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr}")


def set_kernel(name, value):
    with open(f"/proc/sys/net/ipv4/{name}", "w") as file:
        file.write(value)


class Host:
    """A namespace that lives as long as the process in it."""

    def __init__(self, number):
        self.address = f"198.18.0.{number}"
        self.link = f"to{number}"
        self.holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo ready; exec sleep infinity"],
                                       stdout=subprocess.PIPE)
        self.holder.stdout.readline()
        run("ip", "link", "add", self.link, "type", "veth", "peer", "name", "eth0", "netns", str(self.holder.pid))
        run("ip", "link", "set", self.link, "up")
        run("ip", "route", "add", self.address, "dev", self.link)
        for command in ("link set lo up", f"addr add {self.address}/32 dev eth0", "link set eth0 up",
                        f"route add default via {ROUTER} dev eth0 onlink"):
            run(*self.inside("ip", *command.split()))

    def inside(self, *command):
        """The command, so that it runs on this host; the process is its own, not a child's."""
        return ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net", "--", *map(str, command)]

    def remove(self):
        self.holder.kill()
        self.holder.wait()
        self.holder.stdout.close()


class SlowLink:
    """Holds each packet that is routed into it for a while, and gives it back to the router."""

    def __init__(self):
        self.delay = 0.0
        self.device = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(self.device, IOCTL_TUNSETIFF, struct.pack("16sH22x", b"slow", TUN_WITHOUT_HEADER))
        run("ip", "link", "set", "slow", "up")
        run("ip", "route", "add", "default", "dev", "slow", "table", SLOW_TABLE)
        threading.Thread(target=self.carry, daemon=True).start()

    def carry(self):
        waiting = []
        while True:
            until = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
            if select.select([self.device], [], [], until)[0]:
                heapq.heappush(waiting, (time.monotonic() + self.delay, len(waiting), os.read(self.device, 65536)))
            while waiting and waiting[0][0] <= time.monotonic():
                os.write(self.device, heapq.heappop(waiting)[2])


class Network:
    """Cuts are told as ways: from one host to another."""

    def __init__(self):
        run("ip", "link", "set", "lo", "up")
        run("ip", "addr", "add", f"{ROUTER}/32", "dev", "lo")
        set_kernel("ip_forward", "1")
        for where in ("all", "default"):  # a packet that comes back from the slow link is no forgery
            set_kernel(f"conf/{where}/rp_filter", "0")
        self.hosts, self.rules = [], []
        self.slow_link = None

    def add_host(self):
        self.hosts.append(Host(len(self.hosts) + 1))
        return self.hosts[-1]

    def cut_way(self, sender, receiver, how="blackhole"):
        """Packets are lost, and nobody is told; with how="unreachable" the sender is."""
        self.add_rule("from", sender.address, "to", receiver.address, how)

    def cut(self, host, *others, how="blackhole"):
        for other in others:
            self.cut_way(host, other, how)
            self.cut_way(other, host, how)

    def slow(self, host, seconds):
        """All that the host sends and gets takes so much longer, each way."""
        self.slow_link = self.slow_link or SlowLink()
        self.slow_link.delay = seconds
        self.add_rule("iif", host.link, "lookup", SLOW_TABLE)
        for other in self.hosts:
            if other is not host:
                self.add_rule("iif", other.link, "to", host.address, "lookup", SLOW_TABLE)

    def heal(self):
        for rule in self.rules:
            run("ip", "rule", "del", *rule)
        self.rules = []

    def add_rule(self, *rule):
        # Before the rule of the main table, but after that of the local one, so that the router can always ask.
        rule = (*rule, "priority", str(1000 + len(self.rules)))
        run("ip", "rule", "add", *rule)
        self.rules.append(rule)

    def remove(self):
        self.heal()
        for host in self.hosts:
            host.remove()


def probe():
    network = Network()
    one, other = network.add_host(), network.add_host()
    hear = subprocess.Popen(one.inside(sys.executable, "-c", """if True:
        import socket
        listener = socket.create_server(("", 7000))
        print("ready", flush=True)
        listener.settimeout(20)
        listener.accept()[0].sendall(b"heard")
        """), stdout=subprocess.PIPE)
    hear.stdout.readline()
    network.slow(other, 0.05)
    network.cut_way(one, other)
    network.heal()
    network.slow(other, 0.05)
    run(*other.inside(sys.executable, "-c", f"""if True:
        import socket
        assert socket.create_connection(("{one.address}", 7000), 20).recv(5) == b"heard"
        """))
    hear.wait()
    network.remove()


if __name__ == "__main__":
    probe()
