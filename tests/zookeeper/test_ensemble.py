"""The ensemble as a command, over TLS, and what its clients live through when servers die, stand still and come back."""
import os
import signal
import socket
import subprocess
import tempfile
import unittest

from node_runner import BINARY, CONNECT, ENSEMBLE, ZooKeeperTest, ensemble


def servers():
    return ensemble("status")["servers"]


def with_role(role):
    return next(server for server in servers() if server["role"] == role)


class CommandTest(unittest.TestCase):
    def assert_refused(self, code, text, *arguments):
        done = subprocess.run([BINARY, "ensemble", *arguments], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertIn(text, done.stderr)

    def test_status_says_who_serves(self):
        state = ensemble("status")
        self.assertEqual(state["connect"], CONNECT)
        self.assertTrue(state["quorum"])
        self.assertEqual(sorted(server["role"] for server in state["servers"]), ["follower", "follower", "leader"])
        self.assertEqual(",".join(f"127.0.0.1:{server['port']}" for server in state["servers"]), CONNECT)

    def test_start_leaves_alone_what_runs(self):
        before = [server["pid"] for server in servers()]
        self.assertEqual([server["pid"] for server in ensemble("start", "--size", "3")["servers"]], before)

    def test_start_refuses_other_settings_and_folders_in_use(self):
        self.assert_refused(5, "another size", "start", "--dir", ENSEMBLE, "--size", "5")
        with tempfile.TemporaryDirectory() as folder:
            open(f"{folder}/mine", "w").close()
            self.assert_refused(5, "mine", "start", "--dir", folder)
            self.assert_refused(3, "no ensemble", "stop", "--dir", folder)

    def test_start_refuses_ports_in_use(self):
        with tempfile.TemporaryDirectory() as folder, socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            self.assert_refused(5, f"port {port} ", "start", "--dir", folder, "--size", "1", "--port", str(port))


class TlsTest(ZooKeeperTest):
    def setUp(self):
        super().setUp()
        self.secure = f"zks://{ensemble('status')['secure-connect']}{self.chroot}"
        self.tls = f"{ENSEMBLE}/tls"

    def test_lake_over_tls_with_a_certificate_of_ours(self):
        lake = f"{self.secure}?ca={self.tls}/ca.pem&certificate={self.tls}/client.crt&key={self.tls}/client.key"
        self.run_ok("node", "create", "/a", "over TLS", lake=lake)
        self.assertEqual(self.run_ok("node", "get", "/a", lake=self.bare), "over TLS\n")

    def test_server_that_nobody_vouches_for_is_refused(self):
        self.assert_fails(9, "127.0.0.1", "node", "ls", "/", lake=self.secure)
        self.run_ok("node", "create", "/b", lake=f"{self.secure}?verify=false&certificate={self.tls}/client.crt"
                                                 f"&key={self.tls}/client.key")


class FaultTest(ZooKeeperTest):
    def setUp(self):
        super().setUp()
        self.run_ok("node", "create", "/w")
        self.lake = f"{self.bare}?session-timeout-ms=60000"

    def tearDown(self):
        ensemble("start")

    def watch(self):
        watcher = self.start("node", "watch", "/w", "--recursive")
        self.assertIn("watching /w", watcher.stderr.readline())
        return watcher

    def await_another_leader(self, old):
        # Followers give a silent leader ten ticks; each status waits two seconds for its answer.
        for _ in range(30):
            if any(server["role"] == "leader" and server["pid"] != old for server in servers()):
                return
        self.fail("nobody else leads")

    def assert_watcher_sees(self, watcher, name):
        self.run_ok("node", "create", f"/w/{name}")
        self.assertEqual(watcher.stdout.readline(), f"created /w/{name}\n")

    def test_a_dead_follower_is_not_missed(self):
        watcher = self.watch()
        os.kill(with_role("follower")["pid"], signal.SIGKILL)
        self.assert_watcher_sees(watcher, "a")

    def test_a_dead_leader_is_succeeded(self):
        watcher = self.watch()
        os.kill(with_role("leader")["pid"], signal.SIGKILL)
        self.assert_watcher_sees(watcher, "a")

    def test_a_leader_that_stands_still_is_succeeded_and_comes_back(self):
        watcher = self.watch()
        stopped = with_role("leader")["pid"]
        os.kill(stopped, signal.SIGSTOP)
        try:
            self.await_another_leader(stopped)
            self.assert_watcher_sees(watcher, "a")
        finally:
            os.kill(stopped, signal.SIGCONT)
        self.assert_watcher_sees(watcher, "b")
        self.assertTrue(ensemble("start")["quorum"])

    def test_data_and_sessions_survive_all_servers_dying(self):
        self.run_ok("node", "set", "/w", "kept")
        watcher = self.watch()
        holder = self.start("node", "create", "/w/held", "--ephemeral")
        self.assertEqual(watcher.stdout.readline(), "created /w/held\n")
        ensemble("stop", "--kill")
        ensemble("start")
        self.assertEqual(self.run_ok("node", "get", "/w"), "kept\n")
        self.assertEqual(self.run_ok("node", "ls", "/w"), "held\n")
        self.assert_watcher_sees(watcher, "a")
        self.assertIsNone(holder.poll())

    def test_who_stands_still_too_long_has_lost_its_session_and_knows(self):
        watcher = self.watch()
        # What stands still is lost after two thirds of it; what is merely busy should not be.
        self.lake = f"{self.bare}?session-timeout-ms=6000"
        holder = self.start("node", "create", "/w/held", "--ephemeral")
        self.assertEqual(watcher.stdout.readline(), "created /w/held\n")
        # Stopped before it has its answer it could not know whether the node is there.
        self.assertEqual(holder.stdout.readline(), "/w/held\n")
        holder.send_signal(signal.SIGSTOP)
        self.assertEqual(watcher.stdout.readline(), "removed /w/held\n")
        holder.send_signal(signal.SIGCONT)
        self.assertEqual(holder.wait(timeout=60), 7)
        self.assertIn("lost", holder.stderr.read())


if __name__ == "__main__":
    unittest.main()
