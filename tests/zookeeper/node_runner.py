"""What the tests on a real ensemble share: the binary on a lake below a chroot of its own.

with_ensemble.py says where the ensemble is; PARKEEPER names the binary.
"""
import json
import os
import signal
import subprocess
import tempfile
import unittest
import uuid

BINARY = os.environ["PARKEEPER"]
CONNECT = os.environ["PARKEEPER_TEST_ZOOKEEPER"]
ENSEMBLE = os.environ["PARKEEPER_TEST_ENSEMBLE"]


def ensemble(verb, *options):
    done = subprocess.run([BINARY, "--json", "ensemble", verb, "--dir", ENSEMBLE, *options],
                          capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise AssertionError(f"ensemble {verb} failed: {done.stderr}")
    return json.loads(done.stdout)


def leader():
    return next(server["id"] for server in ensemble("status")["servers"] if server["role"] in ("leader", "standalone"))


class ZooKeeperTest(unittest.TestCase):
    """self.chroot is new for each test; self.lake its URL, with a warehouse in a temporary folder."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="parkeeper-zookeeper-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.chroot = "/test-" + uuid.uuid4().hex
        self.bare = f"zk://{CONNECT}{self.chroot}"
        self.lake = f"{self.bare}?warehouse=file://{self.folder}/data"

    def call(self, *arguments, lake=None, digest="", **options):
        environment = dict(os.environ, PARKEEPER_ZOOKEEPER_DIGEST=digest)
        return subprocess.run([BINARY, "--lake", lake or self.lake, *map(str, arguments)], env=environment,
                              capture_output=True, timeout=120, **options)

    def run_ok(self, *arguments, **options):
        done = self.call(*arguments, **options)
        self.assertEqual(done.returncode, 0, f"{arguments}: {done.stderr.decode()}")
        return done.stdout.decode()

    def json(self, *arguments, **options):
        return json.loads(self.run_ok("--json", *arguments, **options))

    def assert_fails(self, code, text, *arguments, **options):
        done = self.call(*arguments, **options)
        self.assertEqual(done.returncode, code, f"{arguments}: {done.stdout.decode()} {done.stderr.decode()}")
        self.assertIn(text, done.stderr.decode())

    def start(self, *arguments):
        """A command that runs until it is interrupted; its first line has been read when this returns."""
        process = subprocess.Popen([BINARY, "--lake", self.lake, *arguments], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.interrupt, process)
        return process

    def interrupt(self, process):
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)
        process.stdout.close()
        process.stderr.close()
