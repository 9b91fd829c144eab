"""A lake with workers, for tests of jobs."""
import json
import subprocess
import threading
import time

from lake_runner import BINARY, LakeTest

SECONDS_AT_MOST = 240


class WorkerTest(LakeTest):
    def setUp(self):
        super().setUp()
        self.workers = []
        self.addCleanup(self.kill_all)

    def start_worker(self, *options):
        worker = subprocess.Popen(
            [BINARY, "--lake", str(self.lake.root), "worker", "--slots", "1", "--memory", "512M", *options],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.workers.append(worker)
        return worker

    def kill_all(self):
        for worker in self.workers:
            worker.kill()
            worker.communicate()
        self.workers = []

    def submit(self, *what):
        return json.loads(self.lake.run("job", "submit", *what, "--json"))["job"]

    def show(self, job, *options):
        return json.loads(self.lake.run("job", "show", job, "--json", *options))

    def finish(self, job):
        """Waits until all of it is done."""
        self.lake.run("job", "show", job, "--watch", "--quiet")

    def await_that(self, looked, wanted):
        """What `looked` gives once `wanted` says so of it."""
        until = time.monotonic() + SECONDS_AT_MOST
        while time.monotonic() < until:
            found = looked()
            if wanted(found):
                return found
            threading.Event().wait(0.2)
        self.fail(f"not in time: {found}")

    def await_job(self, job, wanted):
        return self.await_that(lambda: self.show(job), wanted)
