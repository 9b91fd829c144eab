"""What `parkeeper node` makes the server's own command line sees, and the other way round.

zkCli is started as its shell script does it, without the script: the class ZooKeeperMain, on the server's jars and
commons-cli, which Debian has. Without jline it reads commands from its input.
"""
import base64
import hashlib
import json
import re
import signal
import subprocess
import unittest

from node_runner import BINARY, CONNECT, ZooKeeperTest

CLASSPATH = json.loads(subprocess.run([BINARY, "--json", "ensemble", "fetch"], check=True,
                                      capture_output=True).stdout)["classpath"]
COMMAND = ["java", "-XX:+UseSerialGC", "-Xmx128m", "-Djava.net.preferIPv4Stack=true",
           "-Dorg.slf4j.simpleLogger.defaultLogLevel=off", "-cp", CLASSPATH + ":/usr/share/java/commons-cli.jar",
           "org.apache.zookeeper.ZooKeeperMain"]


class ZkCli:
    """One session of zkCli with the ensemble, below `chroot`."""

    def __init__(self, chroot=""):
        self.process = subprocess.Popen([*COMMAND, "-server", CONNECT + chroot], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.run("sync /")

    def run(self, command):
        """What the command prints. Watches may print in between."""
        # A question whose answer ends that of the command.
        self.process.stdin.write(f"{command}\nprintwatches\n")
        self.process.stdin.flush()
        return self.read_to("printwatches is on")

    def read_to(self, text):
        """All lines up to the one that has the text."""
        lines = ""
        for line in self.process.stdout:
            if text in line:
                return lines
            lines += line
        raise AssertionError(f"zkCli ended before it printed '{text}': {lines}")

    def close(self):
        """Ends the session, and with it its ephemerals."""
        if self.process.poll() is None:
            self.process.communicate("quit\n", timeout=60)

    def kill(self):
        self.process.kill()
        self.process.communicate()


def digest(user, password):
    made = hashlib.sha1(f"{user}:{password}".encode()).digest()
    return f"{user}:{base64.b64encode(made).decode()}"


class ZkCliTest(ZooKeeperTest):
    def setUp(self):
        super().setUp()
        self.run_ok("node", "create", "/first")  # and the chroot
        self.cli = self.zkcli(self.chroot)

    def zkcli(self, chroot):
        cli = ZkCli(chroot)
        self.addCleanup(cli.kill)
        return cli

    def stat(self, path):
        """The stat that zkCli prints, by name. Its server may lag behind ours until it is told to sync."""
        self.cli.run("sync /")
        return dict(re.findall(r"^(\w+) = (.*)$", self.cli.run(f"stat {path}"), re.MULTILINE))

    def get(self, path):
        self.cli.run("sync /")
        return self.cli.run(f"get {path}").splitlines()[-1]

    def test_nodes(self):
        self.run_ok("node", "create", "/ours/deep", "blue", "--parents")
        self.assertEqual(self.get("/ours/deep"), "blue")
        self.cli.run("set -v 0 /ours/deep 'red or so'")
        self.assertEqual(self.run_ok("node", "get", "/ours/deep"), "red or so\n")
        self.assert_fails(6, "/ours/deep", "node", "set", "/ours/deep", "green", "--version", "0")
        self.run_ok("node", "set", "/ours/deep", "green", "--version", "1")
        self.assertIn("version No is not valid", self.cli.run("set -v 1 /ours/deep late"))
        self.cli.run("create /ours/b")
        self.cli.run("create /ours/a first")
        self.assertEqual(self.json("node", "ls", "/ours")["children"], ["a", "b", "deep"])
        self.assertEqual(self.cli.run("ls -R /ours").split(), ["/ours", "/ours/a", "/ours/b", "/ours/deep"])
        self.assertIn("Node not empty", self.cli.run("delete /ours"))
        self.cli.run("deleteall /ours")
        self.assert_fails(3, "/ours", "node", "get", "/ours")
        self.run_ok("node", "rm", "/first")
        self.cli.run("sync /")
        self.assertIn("does not exist", self.cli.run("get /first"))

    def test_stats_are_the_same(self):
        self.run_ok("node", "create", "/ours/deep", "blue", "--parents")
        self.cli.run("set /ours red")
        theirs, ours = self.stat("/ours"), self.json("node", "stat", "/ours")["stat"]
        for here, there in [("czxid", "cZxid"), ("mzxid", "mZxid")]:
            self.assertEqual(ours[here], theirs[there])
        self.assertEqual((ours["version"], ours["children"]), (int(theirs["dataVersion"]), int(theirs["numChildren"])))

    def test_sequences_share_one_counter(self):
        self.run_ok("node", "create", "/q")
        made = []
        for _ in range(2):
            made.append(self.run_ok("node", "create", "/q/n-", "--sequential").strip())
            made.append(self.cli.run("create -s /q/n-").split()[-1])
        self.assertEqual(made, [f"/q/n-{i:010}" for i in range(4)])

    def test_ephemerals_end_with_their_owner(self):
        self.run_ok("node", "create", "/live")
        holder = self.start("node", "create", "/live/ours", "--ephemeral")
        self.assertEqual(holder.stdout.readline(), "/live/ours\n")
        owner = self.json("node", "stat", "/live/ours")["stat"]["ephemeral-owner"]
        self.assertEqual(self.stat("/live/ours")["ephemeralOwner"], owner)
        self.assertNotEqual(owner, "0x0")
        self.cli.run("stat -w /live/ours")
        holder.send_signal(signal.SIGINT)
        self.cli.read_to("NodeDeleted")
        other = self.zkcli(self.chroot)
        other.run("create -e /live/theirs")
        self.assertNotIn(self.json("node", "stat", "/live/theirs")["stat"]["ephemeral-owner"], ["0x0", owner])
        other.close()
        self.assertEqual(self.run_ok("node", "ls", "/live"), "")

    def test_their_watches_see_our_changes(self):
        self.run_ok("node", "create", "/w")
        self.cli.run("sync /")
        self.cli.run("get -w /w")
        self.run_ok("node", "set", "/w", "x")
        self.cli.read_to("type:NodeDataChanged path:/w")
        self.cli.run("ls -w /w")
        self.run_ok("node", "create", "/w/a")
        self.cli.read_to("type:NodeChildrenChanged path:/w")

    def test_our_watch_sees_their_changes(self):
        self.run_ok("node", "create", "/w")
        watcher = self.start("node", "watch", "/w", "--recursive", "--count", "3")
        self.assertIn("watching /w", watcher.stderr.readline())
        self.cli.run("sync /")
        for command, line in [("set /w 1", "set /w version 1\n"), ("create /w/a", "created /w/a\n"),
                              ("delete /w/a", "removed /w/a\n")]:
            self.cli.run(command)
            self.assertEqual(watcher.stdout.readline(), line)
        self.assertEqual(watcher.wait(60), 0)

    def test_rights(self):
        self.assertIn("'world,'anyone\n: cdrwa", self.cli.run("getAcl /first"))
        self.run_ok("node", "create", "/mine", "secret", digest="ann:pass")
        self.cli.run("sync /")
        self.assertIn("Insufficient permission", self.cli.run("get /mine"))
        self.cli.run("create /theirs bobs digest:" + digest("bob", "pass") + ":cdrwa")
        self.assert_fails(9, "/theirs", "node", "get", "/theirs")
        self.assertEqual(self.run_ok("node", "get", "/theirs", digest="bob:pass"), "bobs\n")
        self.cli.run("addauth digest ann:pass")
        self.assertEqual(self.get("/mine"), "secret")
        self.assertIn(f"'digest,'{digest('ann', 'pass')}\n: cdrwa", self.cli.run("getAcl /mine"))
        self.cli.run("setAcl /mine world:anyone:r")
        self.assertEqual(self.run_ok("node", "get", "/mine"), "secret\n")
        self.assert_fails(9, "/mine", "node", "set", "/mine", "x")

    def test_quotas_count_our_nodes(self):
        root, path = self.zkcli(""), self.chroot + "/counted"
        self.run_ok("node", "create", "/counted", "1234")
        root.run("sync /")
        root.run(f"setquota -n 10 {path}")
        self.run_ok("node", "create", "/counted/more", "56")
        root.run("sync /")
        self.assertRegex(root.run(f"listquota {path}"), "count=2,bytes=6")


if __name__ == "__main__":
    unittest.main()
