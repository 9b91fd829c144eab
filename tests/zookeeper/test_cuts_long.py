"""As test_cuts.py; what takes longer."""
import os
import random
import threading
import unittest
from collections import Counter

from cut_ensemble import SILENCE, CutTest, Participant, Writing, await_that, contradictions, now, read_log

# More than all who look for a new leader need, once they have given the old one up.
ELECTION = 6.0
SOAK = 120.0


class HalfCutServerTest(CutTest):
    def check_client_moves_on(self, server, *ways):
        client = self.attached(server, session=60.0)
        self.owns(client)
        since = now()
        for sender, receiver in ways:
            self.network.cut_way(sender.host, receiver.host)
        client.await_line("rung", "/w", after=since)
        self.assertTrue(any(other.serves(self.ensemble.here) for other in self.ensemble.but(server)))
        self.witness_creates("/w/meanwhile")
        self.assert_kept(client, since)

    def test_a_follower_that_hears_nobody(self):
        follower = self.ensemble.followers()[0]
        self.check_client_moves_on(follower, *((other, follower) for other in self.ensemble.but(follower)))

    def test_a_follower_that_nobody_hears(self):
        follower = self.ensemble.followers()[0]
        self.check_client_moves_on(follower, *((follower, other) for other in self.ensemble.but(follower)))

    def test_a_leader_that_hears_nobody(self):
        leader = self.ensemble.leader()
        self.check_client_moves_on(leader, *((other, leader) for other in self.ensemble.but(leader)))

    def test_a_leader_that_nobody_hears(self):
        leader = self.ensemble.leader()
        self.check_client_moves_on(leader, *((leader, other) for other in self.ensemble.but(leader)))


class LongStopTest(CutTest):
    def stop_leader(self, client, for_seconds):
        """Until the others have another leader, and at least as long as said."""
        leader = self.ensemble.leader()
        stopped = now()
        leader.stop()
        write = client.begin("fenced", "/log", "in-the-stopped-leader")
        others = self.ensemble.but(leader)
        self.ensemble.leader(*others)
        await_that("the time is over", lambda: now() > stopped + for_seconds)
        return leader, write, stopped

    def test_a_leader_that_stands_still_for_less_than_the_session(self):
        session = 3 * (SILENCE + ELECTION)
        client = self.attached(self.ensemble.leader(), session=session)
        self.owns(client)
        leader, write, since = self.stop_leader(client, 0)
        self.assertLess(now(), since + session)
        answer = client.answer(write)
        self.assertEqual(answer.code, "outcome_unknown", answer)
        client.await_line("rung", "/w", after=since)
        self.witness_creates("/w/meanwhile")
        self.assert_kept(client, since)
        leader.wake()
        self.ensemble.mend()
        self.assertNotIn("in-the-stopped-leader", [entry for _, entry in read_log(self.witness)])
        self.assert_kept(client, since)

    def test_a_leader_that_stands_still_for_longer_than_the_session(self):
        session = 4.0
        client = self.attached(self.ensemble.leader(), session=session, deadline=3.0)
        self.owns(client)
        successor = self.witness.begin("lead", "/lead", "elsewhere")
        leader, write, _ = self.stop_leader(client, 2 * session)
        self.assertEqual(client.answer(write).code, "outcome_unknown")
        lost = client.await_state("lost")
        self.assert_states(client, "c(sc)*sl")
        led = self.witness.answer(successor, within=30)
        self.assertEqual(led.code, "ok", led)
        self.assertGreater(led.ended, lost)
        self.witness.do("fenced", "/log", "elsewhere")
        leader.wake()
        self.ensemble.mend()
        self.assertEqual(client.call("fenced", "/log", "here").code, "unavailable")
        self.assertEqual([entry for _, entry in read_log(self.witness)], ["elsewhere"])
        self.assertEqual(self.witness.call("get", "/held").code, "not_found")


class AllDeadTest(CutTest):
    def test_all_servers_down_for_a_minute(self):
        # Two thirds of it outlive the minute, and the start of the servers on a machine that others load.
        patient = self.participant(self.ensemble.here, session=240.0)
        self.owns(patient)
        short = self.participant(self.ensemble.there, session=6.0)
        short.do("hold", "/short")
        down = now()
        for server in self.ensemble.servers:
            server.kill()
        patient.await_state("suspended")
        short.await_state("lost")
        for client, code in ((patient, "unavailable"), (short, "unavailable")):
            self.assertEqual(client.call("get", "/w").code, code)
            self.assertEqual(client.call("set", "/w", "1", -1).code, code)
        await_that("a minute is over", lambda: now() > down + 59.0)
        self.ensemble.mend()
        patient.await_state("connected", after=down)
        # The witness' own session is shorter than the minute.
        self.witness = self.participant(self.ensemble.elsewhere)
        self.witness_creates("/w/meanwhile")
        self.assert_kept(patient, down)
        self.assert_states(short, "c(sc)*sl")
        await_that("the short session ends", lambda: self.witness.call("get", "/short").code == "not_found")


class Rival:
    """Stands for election, writes as long as it leads, and begins anew with another session when this one is lost."""

    def __init__(self, test, host, name):
        self.test, self.host, self.name = test, host, name
        self.answers, self.states = {}, []
        self.over = threading.Event()
        self.failure = None
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        try:
            for term in range(1_000):
                if self.over.is_set():
                    return
                self.run_term(f"{self.name}-{term}")
        except (AssertionError, OSError, ValueError) as failure:
            self.failure = failure

    def run_term(self, name):
        try:
            participant = Participant(self.host, self.test.connect(), session=3.0, deadline=2.0)
        except AssertionError:
            return  # cut off again before it was there
        try:
            call = participant.begin("lead", "/lead", name)
            while call not in participant.answers and not self.over.wait(0.05):
                pass
            if call in participant.answers and participant.answers[call].code == "ok":
                writing = Writing(participant, name)
                while "lost" not in participant.states() and not self.over.wait(0.05):
                    pass
                self.answers.update(writing.end())
        finally:
            participant.close()

    def end(self):
        self.over.set()
        self.thread.join()
        if self.failure is not None:
            raise self.failure


def leaders_in(witness):
    return {token for token, _ in read_log(witness)}


class RivalsTest(CutTest):
    """Candidates for one lead while everything is cut, stopped and killed at random. PARKEEPER_SEED replays the plan."""

    def harm(self, chance):
        server, other = chance.sample(self.ensemble.servers, 2)
        client = chance.choice([self.ensemble.here, self.ensemble.there])
        kind = chance.choice(["client", "server", "leader", "one way", "client's way", "stop", "kill"])
        if kind == "client":
            self.network.cut(client, *(each.host for each in self.ensemble.servers))
        elif kind == "server":
            self.cut_servers(server)
        elif kind == "leader":
            self.cut_servers(self.ensemble.leader())
        elif kind == "one way":
            self.network.cut_way(server.host, other.host)
        elif kind == "client's way":
            ends = [client, server.host]
            chance.shuffle(ends)
            self.network.cut_way(*ends)
        elif kind == "stop":
            server.stop()
        else:
            server.kill()

    def test_no_two_leaders_write(self):
        seed = int(os.environ.get("PARKEEPER_SEED") or random.randrange(1 << 32))
        chance = random.Random(seed)
        self.witness.do("create", "/log")
        rivals = [Rival(self, host, name) for host, name in
                  ((self.ensemble.here, "here"), (self.ensemble.here, "too"), (self.ensemble.there, "there"))]
        try:
            begun = now()
            # A plan may spare whoever leads for long: it goes on until the lead has changed twice.
            while now() < begun + SOAK or (len(leaders_in(self.witness)) < 3 and now() < begun + 5 * SOAK):
                self.harm(chance)
                healed = now() + chance.uniform(0.5, 4 * SILENCE)
                await_that("it has its effect", lambda: now() > healed)
                self.ensemble.mend()
                entries = len(read_log(self.witness))
                await_that("somebody writes again", lambda: len(read_log(self.witness)) > entries)
        finally:
            for rival in rivals:
                rival.over.set()
            for rival in rivals:
                rival.end()
        answers = {entry: answer for rival in rivals for entry, answer in rival.answers.items()}
        log = read_log(self.witness)
        self.assertEqual(contradictions(log, answers), [], f"PARKEEPER_SEED={seed}")
        leaders = leaders_in(self.witness)
        self.assertGreater(len(leaders), 2, f"the lead hardly changed, PARKEEPER_SEED={seed}")
        told = Counter(answer.code for answer in answers.values())
        print(f"PARKEEPER_SEED={seed}: {len(log)} entries of {len(leaders)} leaders; told {dict(told)}")


if __name__ == "__main__":
    unittest.main()
