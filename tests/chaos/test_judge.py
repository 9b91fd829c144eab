"""The judge finds what it is there to find: a sound history has no finding, and each history that was tampered with has
the one that names it."""
import json
import pathlib
import tempfile
import unittest
from collections import Counter

import history
from history import Answer, Append, History, Read
from judge import Evidence, Record, Recorded, judge

ROWS = 2


class Scene:
    """Appends one after the other, each with a version of its own, told to its writer."""

    def __init__(self):
        self.history = History()
        self.evidence = Evidence(version=0, floor=1, records={}, snapshots={}, current_snapshot=None, files=[],
                                 rows=Counter())

    def call(self, name, begin, end, **options):
        append = Append(name, writer=1, number=len(self.history.appends) + 1, file=f"file:///{name}.parquet",
                        doomed=options.get("doomed", False), begin=begin, end=end, calls=1)
        self.history.appends[name] = append
        return append

    def record(self, *appends):
        """One round with all of them."""
        self.evidence.version += 1
        version = self.evidence.version
        self.evidence.records[version] = Record(f"v{version}.json", [
            Recorded(append.id, True, 1000 + version) for append in appends])
        self.evidence.snapshots[1000 + version] = version
        self.evidence.current_snapshot = 1000 + version
        for append in appends:
            self.evidence.files.append((append.file, 1000 + version))
            self.evidence.rows.update((1, append.number, row) for row in range(ROWS))
        return version

    def tell(self, append, version):
        append.answers.append(Answer("committed", version, f"v{version}.json", 1000 + version))

    def commit(self, name, begin, end):
        append = self.call(name, begin, end)
        self.tell(append, self.record(append))
        return append

    def read(self, begin, end, version):
        self.history.reads.append(Read(1, begin, end, version, f"v{version}.json", 1000 + version))


class Sound(unittest.TestCase):
    def setUp(self):
        self.scene = Scene()
        self.a = self.scene.commit("a", 10, 20)
        self.b = self.scene.commit("b", 30, 40)
        self.c = self.scene.commit("c", 35, 60)  # at once with b
        self.lost = self.scene.call("lost", 50, None)
        self.killed = self.scene.call("killed", 50, None)
        self.scene.record(self.killed)
        self.doomed = self.scene.call("doomed", 70, 80, doomed=True)
        self.doomed.answers.append(Answer("rejected"))
        self.failed = self.scene.call("failed", 70, 80)
        self.failed.answers.append(Answer("failed"))
        self.scene.read(25, 45, 2)
        self.scene.read(90, 95, 4)

    def findings(self):
        return judge(self.scene.history, self.scene.evidence, ROWS)

    def assert_finds(self, *parts):
        found = self.findings()
        self.assertTrue(any(all(part in finding for part in parts) for finding in found), f"{parts} not in {found}")

    def test_a_sound_history_has_no_finding(self):
        self.assertEqual(self.findings(), [])

    def test_a_group_of_concurrent_appends_has_no_finding(self):
        d, e = self.scene.call("d", 100, 130), self.scene.call("e", 110, 120)
        version = self.scene.record(d, e)
        self.scene.tell(d, version)
        self.scene.tell(e, version)
        self.assertEqual(self.findings(), [])

    def test_a_group_of_appends_that_were_not_at_once_is_out_of_order(self):
        d, e = self.scene.call("d", 100, 110), self.scene.call("e", 120, 130)
        version = self.scene.record(d, e)
        self.scene.tell(d, version)
        self.scene.tell(e, version)
        self.assert_finds("e (version 5) began after the end of d")

    def test_one_version_told_twice(self):
        self.c.answers[0].version = 2
        self.assert_finds("version 2 was told to b and to c")
        self.assert_finds("c: was told version 2, but record 3 names it")

    def test_order_violated(self):
        self.b.begin, self.b.end, self.a.begin, self.a.end = 10, 20, 30, 40
        self.assert_finds("a (version 1) began after the end of b (version 2)")

    def test_an_open_append_that_took_effect_before_it_was_asked_for(self):
        self.killed.begin = 65
        self.assertEqual(self.findings(), [])
        self.scene.commit("d", 82, 85)
        self.scene.evidence.records[4].commits, self.scene.evidence.records[5].commits = (
            self.scene.evidence.records[5].commits, self.scene.evidence.records[4].commits)
        self.assert_finds("d: was told version 5, but record 4 names it")

    def test_an_open_append_with_a_place_before_what_had_ended_is_out_of_order(self):
        self.scene.commit("d", 82, 85)
        self.killed.begin = 90
        self.assert_finds("killed (version 4) began after the end of d (version 5)")

    def test_a_read_that_missed_what_had_ended(self):
        self.scene.read(61, 62, 2)
        self.assert_finds("the read of writer 1 (version 2) began after the end of c (version 3)")

    def test_reads_that_go_back(self):
        self.scene.read(51, 53, 3)
        self.scene.read(54, 56, 2)
        self.assert_finds("(version 2) began after the end of the read of writer 1 (version 3)")

    def test_an_append_behind_a_read_that_had_seen_it(self):
        self.scene.read(5, 7, 1)
        self.assert_finds("a (version 1) began after the end of the read of writer 1 (version 1)")

    def test_a_read_of_other_metadata_than_recorded(self):
        self.scene.history.reads[0].metadata = "other.json"
        self.assert_finds("read other.json at version 2")

    def test_a_lost_acknowledged_append(self):
        self.scene.evidence.files.remove(("file:///a.parquet", 1001))
        for row in range(ROWS):
            del self.scene.evidence.rows[(1, self.a.number, row)]
        self.assert_finds("a: its file is not in the table")
        self.assert_finds("a: of its rows are there [0], not 1")

    def test_an_acknowledged_append_without_a_record(self):
        self.scene.evidence.records[1].commits.clear()
        self.assert_finds("a: was told version 1, but no record names it")

    def test_an_unknown_append_that_is_there_twice(self):
        self.scene.evidence.files.append((self.killed.file, 1004))
        self.scene.evidence.rows.update((1, self.killed.number, row) for row in range(ROWS))
        self.assert_finds("killed: its file is in the table 2 times")
        self.assert_finds("killed: of its rows are there [2]")

    def test_an_append_that_two_records_commit(self):
        self.scene.record(self.killed)
        self.assert_finds("killed: record 4 and record 5 differ on it")

    def test_an_unknown_append_that_is_there_without_a_record(self):
        self.scene.evidence.files.append((self.lost.file, 1004))
        self.assert_finds("lost: its file is in the table")

    def test_half_of_an_unknown_append(self):
        del self.scene.evidence.rows[(1, self.killed.number, 0)]
        self.assert_finds("killed: of its rows are there [0, 1]")

    def test_a_rejected_append_that_is_there(self):
        self.scene.record(self.doomed)
        self.assert_finds("doomed: was rejected, but record 5 says committed")
        self.assert_finds("doomed: was committed, and had to be rejected")

    def test_a_failed_append_that_is_there(self):
        self.scene.record(self.failed)
        self.assert_finds("failed: was failed, but record 5 says committed")

    def test_an_append_rejected_without_a_reason(self):
        self.failed.answers[0].outcome = "rejected"
        self.assert_finds("failed: was rejected without a reason")

    def test_an_append_that_somebody_gave_up_may_be_rejected(self):
        self.failed.calls = 2
        self.failed.answers[0].outcome = "rejected"
        self.assertEqual(self.findings(), [])

    def test_answers_that_differ(self):
        self.a.answers.append(Answer("rejected"))
        self.assert_finds("a: was told Answer(outcome='committed'")

    def test_another_snapshot_than_recorded(self):
        self.a.answers[0].snapshot = 7
        self.assert_finds("a: was told snapshot 7, but record 1 says 1001")

    def test_a_file_under_another_snapshot(self):
        self.scene.evidence.files[0] = (self.a.file, 1002)
        self.assert_finds("a: its file came with snapshot 1002, not 1001")

    def test_a_gap_in_the_records(self):
        del self.scene.evidence.records[2]
        self.assert_finds("records are missing: [2]")

    def test_snapshots_out_of_order(self):
        self.scene.evidence.snapshots[1001], self.scene.evidence.snapshots[1002] = 2, 1
        self.assert_finds("snapshot 1002 of version 2 is not behind that of 1")

    def test_what_nobody_wrote(self):
        self.scene.evidence.files.append(("file:///stranger.parquet", 1004))
        self.scene.evidence.rows[(9, 9, 9)] = 1
        self.scene.evidence.records[4].commits.append(Recorded("stranger", True, 1004))
        self.assert_finds("stranger.parquet is in the table, but nobody wrote it")
        self.assert_finds("rows of nobody")
        self.assert_finds("stranger: record 4 names it, but nobody made it")


class HistoryFiles(unittest.TestCase):
    def test_an_append_ends_with_its_first_definite_answer_whoever_got_it(self):
        append = {"event": "append", "writer": 3, "number": 1, "id": "x", "file": "f", "doomed": False}
        told = {"event": "appended", "id": "x", "outcome": "committed", "version": 5, "metadata": "m", "snapshot": 8}
        with tempfile.TemporaryDirectory() as folder:
            for name, lines in {
                "writer-3": [{"event": "session", "session": "1f"}, {**append, "t": 10}, {**append, "t": 50},
                             {**told, "t": 60}, {**append, "id": "y", "number": 2, "t": 70}],
                "twin-0": [{**append, "t": 20}, {"event": "appended", "id": "x", "outcome": "unknown", "t": 25},
                           {**append, "t": 30}, {**told, "t": 40}, {"event": "read", "writer": 3, "t": 41},
                           {"event": "had-read", "outcome": "read", "version": 5, "metadata": "m", "t": 42}],
            }.items():
                (pathlib.Path(folder) / f"{name}.history").write_text("".join(json.dumps(x) + "\n" for x in lines))
            loaded = history.load(folder)
        x, y = loaded.appends["x"], loaded.appends["y"]
        self.assertEqual((x.begin, x.end, [a.outcome for a in x.answers]),
                         (10, 40, ["unknown", "committed", "committed"]))
        self.assertEqual((y.begin, y.end, y.told()), (70, None, None))
        self.assertEqual([(read.begin, read.end, read.version) for read in loaded.reads], [(41, 42, 5)])


if __name__ == "__main__":
    unittest.main()
