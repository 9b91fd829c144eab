"""What a client lives through on a broken network and with servers that die or stand still: its states, its watches, what
it owns, and what it is told of its writes.
"""
import unittest

from cut_ensemble import SILENCE, CutTest, Writing, await_that, contradictions, now, read_log


class CutClientTest(CutTest):
    def test_a_client_cut_off_for_a_moment_keeps_what_it_owns(self):
        client = self.participant(self.ensemble.here)
        self.owns(client)
        since = now()
        self.cut_here()
        write = client.begin("set", "/w", "1", -1)
        client.await_state("suspended")
        self.witness_creates("/w/meanwhile")
        self.network.heal()
        client.await_state("connected", after=since)
        self.assertEqual(client.answer(write).code, "outcome_unknown")
        self.assert_kept(client, since)

    def test_a_client_cut_off_for_long_knows_its_loss_before_others_own_what_it_did(self):
        session = 6.0
        client = self.participant(self.ensemble.here, session=session, deadline=2.0)
        self.owns(client)
        self.witness.do("watch", "/held")
        successor = self.witness.begin("lead", "/lead", "elsewhere")
        cut = now()
        self.cut_here()
        lost = client.await_state("lost")
        client.await_line("lost")
        self.assert_states(client, "c(sc)*sl")
        gone, _ = self.witness.await_line("rung", "/held", after=cut)
        self.assertGreater(gone, lost)
        self.assertLess(gone, cut + session + SILENCE)
        self.assertGreater(gone, cut + session / 2)
        led = self.witness.answer(successor, within=30)
        self.assertEqual(led.code, "ok")
        self.assertGreater(led.ended, lost)
        self.witness.do("fenced", "/log", "elsewhere")
        self.network.heal()
        for call in (["fenced", "/log", "here"], ["get", "/w"], ["confirm"]):
            answer = client.call(*call)
            self.assertEqual(answer.code, "unavailable", answer)
            self.assertLess(answer.ended - answer.began, 1.0)
        self.assertEqual([entry for _, entry in read_log(self.witness)], ["elsewhere"])

    def test_a_write_whose_answer_is_lost_is_unknown_and_was_done(self):
        client = self.participant(self.ensemble.here)
        self.owns(client)
        since = now()
        for server in self.ensemble.servers:
            self.network.cut_way(server.host, self.ensemble.here)
        answer = client.call("create", "/w/meanwhile")
        self.assertEqual(answer.code, "outcome_unknown", answer)
        self.witness.do("sync")
        self.witness.do("get", "/w/meanwhile")
        client.await_state("suspended")
        self.network.heal()
        client.await_state("connected", after=since)
        self.assert_kept(client, since)

    def test_a_write_that_no_server_gets_is_not_called_done(self):
        client = self.participant(self.ensemble.here)
        self.owns(client)
        since = now()
        for server in self.ensemble.servers:
            self.network.cut_way(self.ensemble.here, server.host)
        answer = client.call("create", "/w/never")
        self.assertEqual(answer.code, "outcome_unknown", answer)
        self.witness.do("sync")
        self.assertEqual(self.witness.call("get", "/w/never").code, "not_found")
        client.await_state("suspended")
        self.witness_creates("/w/meanwhile")
        self.network.heal()
        client.await_state("connected", after=since)
        self.assert_kept(client, since)

    def test_a_slow_link_costs_time_but_no_session(self):
        delay = 0.15
        self.network.slow(self.ensemble.here, delay)
        client = self.participant(self.ensemble.here)
        self.owns(client)
        until = now() + 5.0
        version = 0
        while now() < until:
            begun = now()
            self.witness.do("set", "/w", version, version)
            rung, _ = client.await_line("rung", "/w", after=begun)
            self.assertGreaterEqual(rung - begun, delay - 0.001)
            for call in (["fenced", "/log", version], ["get", "/w"]):
                answer = client.call(*call)
                self.assertEqual(answer.code, "ok")
                self.assertGreaterEqual(answer.ended - answer.began, 2 * delay - 0.001)
            version += 1
            self.assertEqual(answer.text, [str(version), str(version - 1)])
        client.do("confirm")
        self.assert_states(client, "c(sc)*")


class CutServerTest(CutTest):
    def test_a_client_leaves_a_follower_that_is_cut_off(self):
        follower = self.ensemble.followers()[0]
        client = self.attached(follower, session=60.0)
        self.owns(client)
        since = now()
        self.cut_servers(follower)
        # A follower that hears no leader answers no write, and does not say that it was done.
        answer = client.call("create", "/w/unheard")
        self.assertEqual(answer.code, "outcome_unknown", answer)
        self.witness_creates("/w/meanwhile")
        client.await_line("rung", "/w", after=since)
        self.assertTrue(any(other.serves(self.ensemble.here) for other in self.ensemble.but(follower)))
        self.assert_kept(client, since)

    def test_a_leader_that_is_cut_off_is_succeeded_and_its_clients_are_told_nothing_false(self):
        leader = self.ensemble.leader()
        client = self.attached(leader, session=6.0, deadline=3.0)
        self.owns(client)
        successor = self.witness.begin("lead", "/lead", "elsewhere")
        writing = Writing(client, "here")
        await_that("entries of the first leader", lambda: len(writing.answers) > 10)
        self.cut_servers(leader)
        self.cut_here(*self.ensemble.but(leader))
        cut = now()
        lost = client.await_state("lost")
        led = self.witness.answer(successor, within=60)
        self.assertEqual(led.code, "ok", led)
        self.assertGreater(led.ended, lost)
        self.assertIsNot(self.ensemble.leader(*self.ensemble.but(leader)), leader)
        others = Writing(self.witness, "elsewhere")
        await_that("entries of the second leader", lambda: len(others.answers) > 10)
        self.ensemble.mend()
        answers = {**writing.end(), **others.end()}
        late = [answer for entry, answer in answers.items() if entry.startswith("here") and answer.began > cut]
        self.assertTrue(late)
        self.assertEqual({answer.code for answer in late} - {"outcome_unknown", "unavailable"}, set())
        self.assertEqual(contradictions(read_log(self.witness), answers), [])
        self.assert_states(client, "c(sc)*sl")
        self.assertNotEqual(self.witness.call("get", "/held").code, "ok")

    def test_who_still_gets_answers_from_a_server_that_is_cut_off_leads_no_more(self):
        session = 2.0
        follower = self.ensemble.followers()[0]
        client = self.attached(follower, session=session, deadline=2.0)
        self.owns(client)
        client.do("fenced", "/log", "here-0")
        successor = self.witness.begin("lead", "/lead", "elsewhere")
        # The server answers pings on its own until it has missed its leader for SILENCE, which is longer.
        self.assertGreater(SILENCE, session)
        self.cut_servers(follower)
        self.cut_here(*self.ensemble.but(follower))
        led = self.witness.answer(successor, within=30)
        self.assertEqual(led.code, "ok", led)
        self.witness.do("fenced", "/log", "elsewhere-0")
        answer = client.call("fenced", "/log", "here-1")
        self.assertIn(answer.code, ("outcome_unknown", "unavailable"))
        self.ensemble.mend()
        self.assertEqual([entry for _, entry in read_log(self.witness)], ["here-0", "elsewhere-0"])


class DeadServerTest(CutTest):
    def check_death_of(self, server):
        client = self.attached(server, session=60.0)
        self.owns(client)
        since = now()
        server.kill()
        # A connection that is refused costs so little time that nobody need see the state in between. But the watch
        # says "look again" before anything has changed.
        client.await_line("rung", "/w", after=since)
        self.witness_creates("/w/meanwhile")
        self.assert_kept(client, since)

    def test_a_killed_follower_takes_nothing_from_its_clients(self):
        self.check_death_of(self.ensemble.followers()[0])

    def test_a_killed_leader_takes_nothing_from_its_clients(self):
        self.check_death_of(self.ensemble.leader())

    def test_a_leader_that_stands_still_for_a_moment_takes_nothing_from_its_clients(self):
        leader = self.ensemble.leader()
        client = self.attached(leader, session=60.0)
        self.owns(client)
        since = now()
        leader.stop()
        write = client.begin("create", "/w/meanwhile")
        self.assertRaises(AssertionError, client.answer, write, within=SILENCE / 3)
        leader.wake()
        self.assertIn(client.answer(write).code, ("ok", "outcome_unknown"))
        self.witness.call("create", "/w/meanwhile")
        client.await_line("rung", "/w", after=since)
        client.do("sync")
        client.do("get", "/w/meanwhile")
        client.do("confirm")
        client.do("fenced", "/log", "kept")
        self.witness.do("sync")
        self.witness.do("get", "/held")
        self.assert_states(client, "c(sc)*")


if __name__ == "__main__":
    unittest.main()
