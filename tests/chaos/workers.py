"""The worker processes of the fleet test, and what the nemesis does to them."""
import contextlib
import os
import pathlib
import signal
import subprocess
import time

from with_ensemble import end_with_parent

AWAY = (7, 8)           # exit codes: not available now, outcome unknown
BEGINNING_SECONDS = 60  # that it may take until it says so
CARE_SECONDS = 6        # after the end of a session, until the claims are taken back


def tasks_of(process):
    """The processes of its tasks."""
    found = []
    try:
        for thread in pathlib.Path(f"/proc/{process.pid}/task").iterdir():
            found += map(int, (thread / "children").read_text().split())
    except (FileNotFoundError, ProcessLookupError):
        pass  # it, or a thread of it, has just ended
    return found


class Workers:
    """On `machines`, hosts of network.py, in turn; without any, here."""

    def __init__(self, binary, lake, folder, count, machines=()):
        self.binary, self.lake, self.folder = binary, lake, pathlib.Path(folder)
        self.count, self.machines = count, machines
        self.running = {}    # worker to process
        self.stopped = {}    # worker to the processes of its tasks that stand still too
        self.began = {}      # worker to when
        self.could_not_begin = 0
        self.surprises = []  # sentences
        self.folder.mkdir(parents=True)

    def start(self, worker):
        command = [self.binary, "--lake", self.lake, "--verbose", "worker", "--slots", "1", "--memory", "512M",
                   "--name", f"worker-{worker}"]
        if self.machines:
            command = self.machines[worker % len(self.machines)].inside(*command)
        self.began[worker] = time.monotonic()
        with open(self._log(worker), "ab") as log:
            self.running[worker] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                    preexec_fn=end_with_parent)

    def _log(self, worker):
        return self.folder / f"worker-{worker}.log"

    def free(self):
        return [w for w in self.running if w not in self.stopped and self.running[w].poll() is None]

    def kill(self, worker):
        """The processes of its tasks end with it."""
        self.running[worker].kill()
        self.running.pop(worker).wait()
        self.stopped.pop(worker, None)

    def stop(self, worker, with_tasks):
        process = self.running[worker]
        process.send_signal(signal.SIGSTOP)
        # It reaps none of them now, so their ids stay theirs.
        self.stopped[worker] = tasks_of(process) if with_tasks else []
        self._signal_tasks(worker, signal.SIGSTOP)

    def go_on(self, worker):
        if worker in self.stopped:
            self._signal_tasks(worker, signal.SIGCONT)
            self.running[worker].send_signal(signal.SIGCONT)
            del self.stopped[worker]

    def _signal_tasks(self, worker, what):
        for task in self.stopped[worker]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(task, what)

    def look_for_surprises(self):
        """Nobody ends by itself, unless the coordinator is away when it begins: then it is begun again."""
        for worker, process in list(self.running.items()):
            if process.poll() is None:
                continue
            del self.running[worker]
            if process.returncode in AWAY and time.monotonic() - self.began[worker] < BEGINNING_SECONDS:
                self.could_not_begin += 1
                self.start(worker)
            else:
                self._note(worker, f"ended with {process.returncode}")

    def _note(self, worker, what):
        self.surprises.append(f"worker-{worker} {what}: {self._log(worker).read_text()[-400:].strip()}")

    def kill_all(self):
        for worker in list(self.running):
            self.kill(worker)

    def finish(self, seconds):
        """Lets everybody finish what it has and leave; who takes longer is killed."""
        self.look_for_surprises()
        for process in self.running.values():
            process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + seconds
        for worker, process in self.running.items():
            try:
                if process.wait(timeout=max(0.1, deadline - time.monotonic())) != 0:
                    self._note(worker, f"ended with {process.returncode}, asked to leave")
            except subprocess.TimeoutExpired:
                self._note(worker, "did not leave")
        self.kill_all()


class AgainstWorkers:
    """A kind of the nemesis. `leader()` gives the name of the worker that cares for all, None when nobody says."""

    DEEDS = {"kill a worker": 6, "kill the leading worker": 2, "kill half of the workers": 1, "stop a worker": 3,
             "stop a worker without its tasks": 3, "stop the leading worker": 2}

    def __init__(self, workers, chance, leader, session_seconds):
        self.workers, self.random, self.leader = workers, chance, leader
        self.session_seconds = session_seconds

    def strike(self, deed, nemesis):
        free = self.workers.free()
        if len(free) <= self.workers.count // 2:
            return False
        victims = [self._leading(free, nemesis.done) if "leading" in deed else self.random.choice(free)]
        if deed == "kill half of the workers":
            victims = self.random.sample(free, len(free) // 2)
        for worker in victims:
            if deed.startswith("kill"):
                self.workers.kill(worker)
                nemesis.after(self.random.uniform(0, 1.5), lambda worker=worker: self.workers.start(worker))
            else:
                self.workers.stop(worker, "without its tasks" not in deed)
                # Often so long that its session ends and others have its tasks when it wakes.
                nemesis.after(self.random.uniform(0.1, self.session_seconds + CARE_SECONDS),
                              lambda worker=worker: self.workers.go_on(worker))
        return True

    def _leading(self, free, done):
        name = self.leader()
        leading = [worker for worker in free if f"worker-{worker}" == name]
        if not leading:
            return self.random.choice(free)
        done["met the leading worker"] += 1
        return leading[0]

    def look(self):
        self.workers.look_for_surprises()

    def relent(self):
        for worker in list(self.workers.stopped):
            self.workers.go_on(worker)
