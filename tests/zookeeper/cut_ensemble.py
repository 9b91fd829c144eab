"""What the tests of broken networks share: three servers, each on a host of its own, and participants on others.

PARKEEPER names the binary, PARKEEPER_PARTICIPANT the program of participant.cc, PARKEEPER_TEST_FOLDER a folder that is
emptied. Runs in a network of its own: network.py says how.
"""
import atexit
import functools
import os
import shutil
import subprocess
import threading
import time
import unittest
import uuid
from collections import namedtuple

from network import Network
from separate_server import PATIENCE, SILENT_TICKS, Server, await_that, fetch_server, now

BINARY = os.environ["PARKEEPER"]
PARTICIPANT = os.environ["PARKEEPER_PARTICIPANT"]
FOLDER = os.environ["PARKEEPER_TEST_FOLDER"]

TICK = 0.5
# A server that is not heard for so long is given up: by its leader, or by its followers.
SILENCE = SILENT_TICKS * TICK


class Ensemble:
    """Three servers, and hosts for participants: here, there and elsewhere."""

    def __init__(self):
        shutil.rmtree(FOLDER, ignore_errors=True)
        classpath = fetch_server(BINARY)
        self.network = Network()
        self.servers = [Server(number, self.network.add_host(), FOLDER, classpath, TICK) for number in (1, 2, 3)]
        self.here, self.there, self.elsewhere = (self.network.add_host() for _ in range(3))
        self.mend()

    def mend(self):
        """All is as at the beginning, but for the data."""
        self.network.heal()
        for server in self.servers:
            if server.process is None:
                server.start(self.servers)
            elif server.stopped:
                server.wake()
        await_that("three servers serve", lambda: sorted(server.role() for server in self.servers) == [
            "follower", "follower", "leader"])

    def leader(self, *among):
        return await_that("one leads", lambda: next((server for server in among or self.servers
                                                     if server.role() == "leader"), None))

    def followers(self):
        leader = self.leader()
        return [server for server in self.servers if server is not leader]

    def but(self, *servers):
        return [server for server in self.servers if server not in servers]

    def remove(self):
        for server in self.servers:
            if server.process is not None:
                server.kill()
        self.network.remove()


@functools.cache
def the_ensemble():
    """One for all tests of a process; it ends with it."""
    ensemble = Ensemble()
    atexit.register(ensemble.remove)
    return ensemble


Answer = namedtuple("Answer", "began ended code text")


class Participant:
    """What participant.cc says; its times are those of now()."""

    def __init__(self, host, connect, session=15.0, deadline=5.0):
        self.deadline = deadline
        self.changed = threading.Condition()
        self.lines = []
        self.answers = {}
        self.ended = False
        self.calls = 0
        self.process = subprocess.Popen(
            host.inside(PARTICIPANT, connect, int(session * 1000), int(PATIENCE * 1000), int(deadline * 1000)),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        try:
            _, words = self.await_line("session")
            if int(words[2]) != int(session * 1000):
                raise AssertionError(f"a session of {words[2]} ms, not {session} s")
        except AssertionError:
            self.crash()
            raise

    def read(self):
        for line in self.process.stdout:
            time_ms, *words = line.split()
            with self.changed:
                if words[0] == "answer":
                    self.answers[words[1]] = Answer(int(words[2]) / 1000, int(time_ms) / 1000, words[3], words[4:])
                else:
                    self.lines.append((int(time_ms) / 1000, words))
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def await_line(self, *words, after=0.0):
        """The time and the words of the first line that begins so and was said after this time."""
        def find():
            return next((line for line in self.lines if line[0] >= after and line[1][:len(words)] == list(words)), None)
        with self.changed:
            self.changed.wait_for(lambda: self.ended or find(), PATIENCE)
            found = find()
            if found is None:
                raise AssertionError(f"never said {' '.join(words)}, but {self.lines}")
            return found

    def await_state(self, state, after=0.0):
        return self.await_line("state", state, after=after)[0]

    def states(self):
        with self.changed:
            return [words[1] for _, words in self.lines if words[0] == "state"]

    def begin(self, *words):
        with self.changed:
            self.calls += 1
            call = str(self.calls)
        self.process.stdin.write(" ".join([call, *map(str, words)]) + "\n")
        return call

    def answer(self, call, within=None):
        """Fails when the call has not ended a little after its deadline: nothing may hang."""
        with self.changed:
            self.changed.wait_for(lambda: call in self.answers, within or self.deadline + 5)
            if call not in self.answers:
                raise AssertionError(f"call {call} hangs; said so far: {self.lines}")
            return self.answers[call]

    def call(self, *words):
        return self.answer(self.begin(*words))

    def do(self, *words, within=None):
        """The text of a call that must be done."""
        answer = self.answer(self.begin(*words), within)
        if answer.code != "ok":
            raise AssertionError(f"{' '.join(map(str, words))}: {answer}")
        return answer.text

    def crash(self):
        self.process.kill()
        self.process.wait()
        self.close()

    def close(self):
        """Ends it, which must not hang either."""
        self.process.stdin.close()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"a participant does not end; it said: {self.lines}") from None
        finally:
            self.reader.join()
            self.process.stdout.close()


class CutTest(unittest.TestCase):
    """Each test has a chroot of its own. self.witness is a participant that no cut of a test concerns."""

    @classmethod
    def setUpClass(cls):
        cls.ensemble = the_ensemble()
        cls.network = cls.ensemble.network

    def setUp(self):
        self.chroot = "/test-" + uuid.uuid4().hex
        self.addCleanup(self.ensemble.mend)
        self.witness = self.participant(self.ensemble.elsewhere, session=60.0, deadline=30.0)

    def connect(self):
        return ",".join(f"{server.host.address}:2181" for server in self.ensemble.servers) + self.chroot

    def participant(self, host, **options):
        participant = Participant(host, self.connect(), **options)
        self.addCleanup(participant.close)
        return participant

    def attached(self, server, **options):
        """One on the host `here`, which knows all servers and is attached to this one."""
        here = self.ensemble.here
        others = [other.host for other in self.ensemble.but(server)]
        self.network.cut(here, *others, how="unreachable")
        participant = self.participant(here, **options)
        self.network.heal()
        self.assertTrue(server.serves(here))
        return participant

    def cut_here(self, *servers):
        self.network.cut(self.ensemble.here, *(server.host for server in servers or self.ensemble.servers))

    def cut_servers(self, server, *others):
        self.network.cut(server.host, *(other.host for other in others or self.ensemble.but(server)))

    def owns(self, participant):
        """Gives it all that a session can lose: a watch of /w, an ephemeral at /held, the lead, with a log at /log."""
        participant.do("create", "/w", "0")
        participant.do("create", "/log")
        participant.do("watch", "/w")
        participant.do("hold", "/held")
        participant.do("lead", "/lead", "here")

    def assert_kept(self, participant, since):
        """The session went on, its owner sees what others did since then, and still owns what it did."""
        participant.await_line("rung", "/w", after=since)
        participant.do("sync")
        participant.do("get", "/w/meanwhile")
        participant.do("confirm")
        participant.do("fenced", "/log", "kept")
        self.assert_states(participant, "c(sc)*")
        self.witness.do("sync")
        self.witness.do("get", "/held")

    def witness_creates(self, path):
        """Asks until it is known: the witness may be at the very server that has gone."""
        for _ in range(20):
            answer = self.witness.call("create", path)
            if answer.code in ("ok", "already_exists"):
                return
            self.assertIn(answer.code, ("outcome_unknown", "unavailable"), answer)
        self.fail(answer)

    def assert_states(self, participant, pattern):
        """Of the first letters of connected, suspended, lost."""
        self.assertRegex("".join(state[0] for state in participant.states()), f"^{pattern}$")


class Writing:
    """A leader that writes to the log all the time, as long as it believes in its lead, and notes what became of it."""

    def __init__(self, participant, name):
        self.participant, self.name = participant, name
        self.answers = {}
        self.over = threading.Event()
        self.failure = None
        self.thread = threading.Thread(target=self.write)
        self.thread.start()

    def write(self):
        try:
            for number in range(1_000_000):
                entry = f"{self.name}-{number}"
                self.answers[entry] = self.participant.call("fenced", "/log", entry)
                if self.over.wait(0.02):
                    return
        except (AssertionError, OSError, ValueError) as failure:
            self.failure = failure

    def end(self):
        self.over.set()
        self.thread.join()
        if self.failure is not None:
            raise self.failure
        return self.answers


def read_log(participant):
    """(token, entry) in the order in which they were written."""
    participant.do("sync")
    names = [name.split(".") for name in participant.do("list", "/log")]
    return [(int(token), entry) for token, entry, _ in sorted(names, key=lambda name: name[2])]


def contradictions(log, answers):
    """What in the log, and in what its writers were told, could not be with one leader at a time."""
    found = []
    for before, after in zip(log, log[1:]):
        if before[0] > after[0]:
            found.append(f"an old leader wrote after a new one: {before}, {after}")
    entries = [entry for _, entry in log]
    if len(entries) != len(set(entries)):
        found.append("an entry is there twice")
    token_of = {entry: token for token, entry in log}
    done = []
    for entry, answer in answers.items():
        if answer.code == "ok" and entry not in token_of:
            found.append(f"{entry} was acknowledged and is lost")
        if answer.code not in ("ok", "outcome_unknown") and entry in token_of:
            found.append(f"{entry} was told {answer.code} and is there")
        if answer.code == "ok" and entry in token_of:
            done.append((token_of[entry], answer))
    for token, answer in done:
        if any(other > token and later.ended < answer.began for other, later in done):
            found.append(f"a write of leader {token} was begun after one of a later leader had ended: {answer}")
    return found[:5]
