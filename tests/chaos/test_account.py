"""The account of the fleet test finds what is wrong, whatever it is."""
import json
import pathlib
import tempfile
import unittest

import pyarrow as pa
import pyarrow.parquet as pq

from account import Judge, check_coordinator, check_dead_letters, check_position

DOUBLED = "select number * 2 as twice from fleet.events where number > 1"


class Account(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="parkeeper-account-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.judge = Judge({"fleet.events": [self.write("a", number=[1, 2]), self.write("b", number=[3, 3])]})

    def write(self, name, **columns):
        path = self.folder / f"{name}.parquet"
        pq.write_table(pa.table(columns), path)
        return str(path)

    def compare(self, *files):
        return self.judge.compare("fleet.made", [self.write(name, twice=rows) for name, rows in files], DOUBLED)

    def test_the_same_rows_in_other_files_are_right(self):
        self.assertEqual(self.compare(("x", [6, 4]), ("y", [6])), [])

    def test_a_row_that_is_missing_is_found(self):
        self.assertEqual(self.compare(("x", [6, 4])), ["fleet.made: 1 rows are missing, such as [(6,)]"])
        self.assertEqual(self.compare(), ["fleet.made has no row, and should have 3"])

    def test_a_row_that_is_there_twice_is_found(self):
        self.assertEqual(self.compare(("x", [6, 4, 4]), ("y", [6])), ["fleet.made: 1 rows are too many, such as [(4,)]"])

    def test_a_file_that_is_in_the_table_twice_is_found(self):
        file = self.write("x", twice=[4, 6, 6])
        self.assertEqual(len(self.judge.compare("fleet.made", [file, file], DOUBLED)), 1)

    def test_a_position_that_is_not_the_head_is_found(self):
        heads = [{"key": key, "current-snapshot": {"snapshot-id": head}} for key, head in (("a", 7), ("b", 9))]
        at = lambda **position: {"table": "fleet.made",
                                 "properties": {"parkeeper.position.default": json.dumps({"query": "q", "snapshots": position})}}
        self.assertEqual(check_position(at(a=7, b=9), heads), [])
        self.assertEqual(len(check_position(at(a=7, b=8), heads)), 1)
        self.assertEqual(len(check_position(at(a=7), heads)), 1)

    def test_a_dead_letter_without_reason_or_of_another_file_is_found_and_so_is_one_that_is_missing(self):
        letter = lambda part, error: {"task": "t", "part": part, "error": error}
        check = lambda *letters: check_dead_letters([{"dead-letters": list(letters)}], ["/s/bad.parquet"])
        self.assertEqual(check(letter("/s/bad.parquet", "bad.parquet: no footer")), [])
        self.assertEqual(len(check(letter("/s/bad.parquet", "a crash"))), 1)
        self.assertEqual(len(check(letter("/s/bad.parquet", "bad.parquet: no"), letter("/s/good", "good: no"))), 1)
        self.assertEqual(check(), ["no dead letter of /s/bad.parquet"])

    def test_a_marker_too_few_or_too_many_and_a_commit_or_a_claim_that_is_left_are_found(self):
        marker = lambda file: json.dumps({"source": file})
        nodes = {"/tasks/run/w": "", "/jobs/seen/k/00": "", "/jobs/seen/k/00/d": marker("/a"), "/t/00/k/q": ""}
        self.assertEqual(check_coordinator(nodes, {"k": ["/a"]}), [])
        self.assertEqual(len(check_coordinator(nodes, {"k": ["/a", "/b"]})), 1)
        self.assertEqual(len(check_coordinator(nodes, {"k": []})), 1)
        self.assertEqual(len(check_coordinator(nodes | {"/t/00/k/q/l-1": ""}, {"k": ["/a"]})), 1)
        self.assertEqual(len(check_coordinator(nodes | {"/tasks/run/w/t-1": ""}, {"k": ["/a"]})), 1)


if __name__ == "__main__":
    unittest.main()
