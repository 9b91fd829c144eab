"""with_ensemble.py leaves no server behind, however it ends. PARKEEPER names the binary."""
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import unittest

BINARY = os.environ["PARKEEPER"]
PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "with_ensemble.py")
# Says that it runs and under which number, then waits to be killed.
COMMAND = [sys.executable, "-c", "import os, signal; print(os.getpid(), flush=True); signal.pause()"]


class WithEnsembleTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="parkeeper-with-ensemble-")
        self.addCleanup(folder.cleanup)
        self.folder = f"{folder.name}/ensemble"

    def await_guard(self):
        with open(self.folder + ".lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)

    def start(self):
        self.addCleanup(self.await_guard)
        runner = subprocess.Popen([sys.executable, PROGRAM, "--size", "1", self.folder, "--", *COMMAND],
                                  stdout=subprocess.PIPE, text=True)
        self.addCleanup(runner.stdout.close)
        self.addCleanup(runner.wait)
        self.addCleanup(runner.kill)
        return runner, self.watch(int(runner.stdout.readline()))

    def watch(self, pid):
        """A descriptor that becomes readable when the process has ended."""
        descriptor = os.pidfd_open(pid)
        self.addCleanup(os.close, descriptor)
        return descriptor

    def server(self):
        done = subprocess.run([BINARY, "--json", "ensemble", "status", "--dir", self.folder], capture_output=True,
                              text=True, timeout=60, check=True)
        return self.watch(json.loads(done.stdout)["servers"][0]["pid"])

    def assert_ends(self, what, descriptor):
        self.assertTrue(select.select([descriptor], [], [], 60)[0], f"{what} goes on")

    def test_killed_it_takes_command_and_servers_with_it(self):
        runner, command = self.start()
        server = self.server()
        runner.kill()
        self.assert_ends("the command", command)
        self.assert_ends("the server", server)

    def test_terminated_it_ends_when_its_servers_have(self):
        runner, command = self.start()
        server = self.server()
        runner.send_signal(signal.SIGTERM)
        self.assertEqual(runner.wait(timeout=60), 143)
        self.assertTrue(select.select([server], [], [], 0)[0])
        self.assert_ends("the command", command)

    def test_begun_again_it_waits_until_the_servers_of_a_killed_run_have_ended(self):
        runner, _ = self.start()
        server = self.server()
        runner.kill()
        self.start()
        self.assertTrue(select.select([server], [], [], 0)[0])
        self.assertFalse(select.select([self.server()], [], [], 0)[0])


if __name__ == "__main__":
    unittest.main()
