"""The writer processes of the chaos test: started, killed, stopped, begun again; and what the nemesis does to them."""
import json
import pathlib
import signal
import subprocess
import time

from kazoo.client import KazooClient


class Writers:
    """On `machines`, hosts of network.py, in turn; without any, here. A twin is on another one than its writer."""

    def __init__(self, program, lake, table, folder, count, rows, seed, machines=()):
        self.program, self.lake, self.table = program, lake, table
        self.folder, self.rows, self.seed = pathlib.Path(folder), rows, seed
        self.running = {}     # writer to process
        self.stopped = set()
        self.twins = []
        self.starts = 0
        self.count = count
        self.machines = machines
        self.surprises = []   # sentences
        (self.folder / "commits").mkdir(parents=True)

    def history(self, writer):
        return self.folder / f"writer-{writer}.history"

    def _spawn(self, name, place, *arguments):
        command = [self.program, *map(str, arguments)]
        if self.machines:
            command = self.machines[place % len(self.machines)].inside(*command)
        with open(self.folder / f"{name}.log", "ab") as log:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)

    def start(self, writer):
        self.starts += 1
        self.running[writer] = self._spawn(f"writer-{writer}", writer, "write", self.lake, self.table, self.folder, writer,
                                           self.rows, self.seed * 100_003 + self.starts)

    def ask_beside(self, writer):
        """A second process asks what became of the append that this one has on its way."""
        self.twins.append(self._spawn(f"twin-{len(self.twins)}", writer + 1, "ask", self.lake, self.table, self.folder, writer,
                                      len(self.twins)))

    def lines(self, writer):
        """Those that are whole, as text, for the writer may be at it."""
        path = self.history(writer)
        text = path.read_text() if path.exists() else ""
        return text[:text.rfind("\n") + 1].splitlines()

    def has_committed(self, writer):
        return any(json.loads(line).get("outcome") == "committed" for line in self.lines(writer))

    def has_open_repeat(self, writer):
        """Whether its last call is an append that others may ask about, without an answer yet."""
        last = json.loads((self.lines(writer) or ['{"event": "nothing"}'])[-1])
        return last["event"] == "append" and last["repeated"]

    def sessions(self):
        """Session id, in hexadecimal, to the writer that has it."""
        found = {}
        for writer in self.running:
            last = next((line for line in reversed(self.lines(writer)) if '"event":"session"' in line), "{}")
            found[json.loads(last).get("session")] = writer
        return found

    def free(self):
        return [w for w in self.running if w not in self.stopped and self.running[w].poll() is None]

    def kill(self, writer):
        self.running[writer].kill()
        self.running.pop(writer).wait()
        self.stopped.discard(writer)

    def stop(self, writer):
        self.running[writer].send_signal(signal.SIGSTOP)
        self.stopped.add(writer)

    def go_on(self, writer):
        if writer in self.stopped:
            self.running[writer].send_signal(signal.SIGCONT)
            self.stopped.discard(writer)

    def look_for_surprises(self):
        """Nobody ends by itself."""
        for writer, process in list(self.running.items()):
            if process.poll() is not None:
                self._note(f"writer-{writer}", process)
                del self.running[writer]

    def _note(self, name, process):
        log = (self.folder / f"{name}.log").read_text()
        self.surprises.append(f"{name} ended with {process.returncode}: {log[-400:].strip()}")

    def finish(self, seconds):
        """Lets everybody end the call that is on its way; what takes longer is killed. How many were."""
        for writer in list(self.stopped):
            self.go_on(writer)
        self.look_for_surprises()
        processes = {f"writer-{writer}": process for writer, process in self.running.items()}
        for process in processes.values():
            process.send_signal(signal.SIGTERM)
        processes |= {f"twin-{number}": process for number, process in enumerate(self.twins)}
        deadline = time.monotonic() + seconds
        late = 0
        for name, process in processes.items():
            try:
                process.wait(timeout=max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                late += 1
            else:
                # An error is no surprise now: a writer may be told to end before it could begin, and what a twin was
                # to ask about may be answered.
                if process.returncode < 0 and process.returncode != -signal.SIGTERM:
                    self._note(name, process)
        self.running.clear()
        return late


class AgainstWriters:
    """A kind of the nemesis. `hosts` with the lake's chroot."""

    DEEDS = {"kill a writer": 5, "kill the combiner": 3, "stop a writer": 4, "stop the combiner": 3}

    def __init__(self, writers, chance, hosts, session_seconds):
        self.writers, self.random = writers, chance
        self.session_seconds = session_seconds
        self.client = KazooClient(hosts=hosts, timeout=10)
        self.client.start_async()
        self.head = None

    def strike(self, deed, nemesis):
        writer = self._combiner(nemesis.done) if "combiner" in deed else self._any_writer()
        if writer is None:
            return False
        (self._kill if deed.startswith("kill") else self._stop)(writer, nemesis)
        return True

    def _combiner(self, done):
        """The writer whose session holds the lease; any when nobody has it or no server tells."""
        try:
            if self.head is None:
                self.head = self._find_head()
            stat = self.client.exists_async(f"{self.head}/lease").get(timeout=1)
            owner = self.writers.sessions().get(f"{stat.ephemeralOwner:x}") if stat else None
        except Exception:  # kazoo's errors have no common ancestor; a server that is away is no reason to stop
            owner = None
        if owner in self.writers.free():
            done["met the combiner"] += 1
            return owner
        return self._any_writer()

    def _find_head(self):
        children = lambda path: self.client.get_children_async(path).get(timeout=1)
        return next(f"/t/{bucket}/{key}" for bucket in children("/t") for key in children(f"/t/{bucket}"))

    def _any_writer(self):
        free = self.writers.free()
        return self.random.choice(free) if len(free) > self.writers.count // 2 else None

    def _kill(self, writer, nemesis):
        self.writers.kill(writer)
        nemesis.after(self.random.uniform(0, 1.5), lambda: self.writers.start(writer))

    def _stop(self, writer, nemesis):
        self.writers.stop(writer)
        seconds = self.random.uniform(0.1, 1.7 * self.session_seconds)
        if self.writers.has_open_repeat(writer):
            nemesis.done["asked beside a stopped writer"] += 1
            self.writers.ask_beside(writer)
        nemesis.after(seconds, lambda: self.writers.go_on(writer))

    def look(self):
        self.writers.look_for_surprises()

    def relent(self):
        self.client.stop()
        self.client.close()
