"""What users get wrong about an ensemble, and what it does not take: each a clear error that names host and path, soon.

What is over the limit of a request is refused before a host is asked, so that error names the path alone.
"""
import socket
import time
import unittest

from kazoo.client import KazooClient

from node_runner import CONNECT, ENSEMBLE, ZooKeeperTest, ensemble

UNAVAILABLE, INVALID, NOT_FOUND, NOT_ALLOWED = 7, 2, 3, 9
# A client tries for ten seconds; the rest is a machine with much else to do.
DEADLINE_SECONDS = 40


class BadInputTest(ZooKeeperTest):
    def assert_fails_naming(self, code, host, path, *arguments, **options):
        began = time.monotonic()
        done = self.call(*arguments, **options)
        took = time.monotonic() - began
        said = done.stderr.decode()
        self.assertEqual(done.returncode, code, said)
        self.assertRegex(said, r"\Aparkeeper: .*\n\Z", "one line")
        for part in (host, path):
            self.assertIn(part, said)
        self.assertLess(took, DEADLINE_SECONDS)
        return said

    def test_an_unreachable_host(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            host = f"127.0.0.1:{free.getsockname()[1]}"
        said = self.assert_fails_naming(UNAVAILABLE, host, "/lakes/main", "namespace", "list",
                                        lake=f"zk://{host}/lakes/main")
        self.assertIn("refused", said)

    def test_a_host_that_accepts_and_says_nothing(self):
        with socket.socket() as mute:
            mute.bind(("127.0.0.1", 0))
            mute.listen()
            host = f"127.0.0.1:{mute.getsockname()[1]}"
            self.assert_fails_naming(UNAVAILABLE, host, "/lakes/main", "node", "ls", "/",
                                     lake=f"zk://{host}/lakes/main")

    def test_a_wrong_password(self):
        self.run_ok("node", "create", "/mine", "secret", digest="ann:right")
        said = self.assert_fails_naming(NOT_ALLOWED, "127.0.0.1:", self.chroot, "node", "get", "/mine",
                                        digest="ann:wrong-one")
        self.assertIn("password", said)
        self.assertNotIn("wrong-one", said)

    def test_a_missing_chroot(self):
        said = self.assert_fails_naming(NOT_FOUND, "127.0.0.1:", self.chroot, "node", "ls", "/")
        self.assertIn("chroot does not exist", said)

    def test_a_certificate_that_does_not_verify(self):
        secure = ensemble("status")["secure-connect"]
        # No authority of the system has signed it; and the wrong one.
        for parameters in ("", f"?ca={ENSEMBLE}/tls/client.crt"):
            said = self.assert_fails_naming(NOT_ALLOWED, secure.split(",")[0], self.chroot, "node", "ls", "/",
                                            lake=f"zks://{secure}{self.chroot}{parameters}")
            self.assertIn("certificate verify failed", said)

    def test_a_node_over_one_megabyte(self):
        self.run_ok("node", "create", "/big")
        for size in (1_000_000, 3_000_000):
            said = self.assert_fails_naming(INVALID, "", "/big", "node", "set", "/big", "--stdin", input=b"x" * size)
            self.assertIn("more than 900000", said)
            self.assertEqual(self.run_ok("node", "get", "/big"), "\n", "as it was")
        largest = b"x" * 899_900
        self.run_ok("node", "set", "/big", "--stdin", input=largest)
        self.assertEqual(self.call("node", "get", "/big", "--raw").stdout, largest)

    def test_a_child_list_over_the_servers_limit_of_a_request_arrives_whole(self):
        self.run_ok("node", "create", "/many")
        client = KazooClient(hosts=CONNECT, timeout=60)
        client.start(timeout=60)
        self.addCleanup(client.close)
        self.addCleanup(client.stop)
        names = [f"{'c' * 90}{i:06}" for i in range(12_000)]
        for begin in range(0, len(names), 1_000):
            step = client.transaction()
            for name in names[begin:begin + 1_000]:
                step.create(f"{self.chroot}/many/{name}")
            step.commit()
        self.assertEqual(self.json("node", "ls", "/many")["children"], names)


if __name__ == "__main__":
    unittest.main()
