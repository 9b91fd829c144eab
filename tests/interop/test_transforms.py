"""Transforms, incremental transforms, followed folders and compaction, by workers, through the binary. What they make
is what the query gives when it is run once over everything.
"""
import json
import os
import time

import pyarrow as pa
import pyarrow.parquet as pq

from worker_runner import WorkerTest

CUSTOMERS = 7


def orders(first, count):
    ids = range(first, first + count)
    return pa.table({"id": ids, "customer": [i % CUSTOMERS for i in ids], "total": [i * 10 for i in ids]})


class Transforms(WorkerTest):
    def setUp(self):
        super().setUp()
        self.lake.run("table", "create", "ns.orders", "--schema", "id long not null, customer long, total long")
        self.lake.run("table", "create", "ns.out", "--schema", "id long, total long")
        self.lake.run("table", "create", "ns.sums", "--schema", "customer long, total long")
        self.next = 0

    def add(self, count=10):
        """A file with so many new orders."""
        self.lake.import_rows("ns.orders", orders(self.next, count))
        self.next += count

    def rows(self, table):
        return sorted(tuple(row.values()) for row in self.lake.scan(table).to_pylist())

    def query(self, sql):
        with pa.ipc.open_stream(self.lake.run("sql", sql, "--format", "arrow")) as stream:
            return sorted(tuple(int(value) for value in row.values()) for row in stream.read_all().to_pylist())

    def test_a_linear_query_runs_split_by_split(self):
        for _ in range(8):
            self.add()
        self.start_worker()
        self.start_worker()
        sql = "select id, total from ns.orders where id % 3 <> 0"
        job = self.submit("transform", sql, "--into", "ns.out", "--split-size", "1")
        self.finish(job)
        shown = self.show(job, "--tasks")
        self.assertEqual(shown["tasks"], 8)
        self.assertEqual(self.rows("ns.out"), self.query(sql))
        # Pinned: what came after the submission is not in it, and it is appended.
        job = self.submit("transform", sql, "--into", "ns.out", "--at-once", "--split-size", "1")
        self.finish(job)
        self.assertEqual(self.show(job)["tasks"], 9)
        self.assertEqual(self.rows("ns.out"), sorted(2 * self.query(sql)))
        history = json.loads(self.lake.run("history", "ns.out", "--json"))["snapshots"]
        self.assertEqual(int(history[-1]["summary"]["added-data-files"]), 8, history[-1])

    def test_a_query_that_is_not_linear_runs_whole_and_may_replace_the_rows(self):
        for _ in range(4):
            self.add()
        self.start_worker()
        sql = "select customer, sum(total) as total from ns.orders group by customer"
        for _ in range(2):
            job = self.submit("transform", sql, "--into", "ns.sums", "--overwrite", "--split-size", "1")
            self.finish(job)
            self.assertEqual(self.show(job)["tasks"], 1)
            self.assertEqual(self.rows("ns.sums"), self.query(sql))
            self.add()
        linear = "select customer, total from ns.orders"
        job = self.submit("transform", linear, "--into", "ns.sums", "--overwrite", "--split-size", "1")
        self.finish(job)
        self.assertGreater(self.show(job)["tasks"], 2)
        self.assertEqual(self.rows("ns.sums"), self.query(linear))
        nothing = "select customer, total from ns.orders where id < 0"
        self.finish(self.submit("transform", nothing, "--into", "ns.sums", "--overwrite"))
        self.assertEqual(self.rows("ns.sums"), [])
        self.lake.run("doctor", "--deep")

    def test_a_split_that_fails_is_a_dead_letter_and_at_once_means_nothing_of_it(self):
        for _ in range(4):
            self.add()
        self.start_worker()
        sql = "select id, cast(case when id = 25 then 'bad' else total::varchar end as bigint) as total from ns.orders"
        job = self.submit("transform", sql, "--into", "ns.out", "--at-once", "--split-size", "1")
        shown = self.await_job(job, lambda job: job["dead"] == 1 and job["done"] == 3)
        self.assertIn("'bad'", shown["dead-letters"][0]["error"])
        self.assertEqual(self.rows("ns.out"), [])
        self.assertEqual(self.lake.call("job", "cancel", job).returncode, 0)

    def test_what_does_not_fit_is_refused_when_it_is_submitted(self):
        self.add()
        for sql, why in [("select id from ns.nothing", "nothing"),
                         ("select id, 'x' as total from ns.orders", "total"),
                         ("select id, id as other from ns.orders", "other"),
                         ("delete from ns.orders", "quer")]:
            code, message = self.lake.error("job", "submit", "transform", sql, "--into", "ns.out")
            self.assertIn(why, message)
        code, message = self.lake.error("job", "submit", "refresh", "select distinct customer, total from ns.orders",
                                        "--into", "ns.sums")
        self.assertEqual(code, 2, message)
        self.assertIn("ns.orders", message)

    def test_a_refresh_appends_what_new_rows_give_each_once(self):
        self.start_worker()
        sql = "select id, total from ns.orders where total > 50"
        for _ in range(3):
            self.add(20)
            self.finish(self.submit("refresh", sql, "--into", "ns.out"))
            self.assertEqual(self.rows("ns.out"), self.query(sql))
        # Twice the same, and two at once.
        self.add(20)
        jobs = [self.submit("refresh", sql, "--into", "ns.out") for _ in range(3)]
        for job in jobs:
            self.finish(job)
        self.assertEqual(self.rows("ns.out"), self.query(sql))
        # Compaction is no change, a delete is one that cannot be followed.
        self.finish(self.submit("compact", "ns.orders", "--min-files", "2"))
        self.finish(self.submit("refresh", sql, "--into", "ns.out"))
        self.assertEqual(self.rows("ns.out"), self.query(sql))
        self.lake.run("delete", "ns.orders", "--where", "id < 3")
        job = self.submit("refresh", sql, "--into", "ns.out")
        shown = self.await_job(job, lambda job: job["waiting"] == 0)
        self.assertEqual(shown["dead"], 1)
        self.assertIn("ns.orders", shown["dead-letters"][0]["error"])

    def test_a_refresh_that_fell_far_behind_goes_on_from_where_it_was(self):
        few = ["--property", "commit.max-snapshots=5", "--property", "write.metadata.previous-versions-max=7"]
        self.lake.run("table", "create", "ns.many", "--schema", "id long, customer long, total long", *few)
        self.lake.run("table", "create", "ns.factors", "--schema", "customer long, factor long", *few)
        sql = "select m.id, m.total * f.factor as total from ns.many m join ns.factors f on m.customer = f.customer"
        self.start_worker()
        for versions in (1, 40):
            for number in range(versions):
                self.lake.import_rows("ns.many", orders(self.next, 3))
                self.next += 3
                self.lake.import_rows("ns.factors", pa.table({"customer": [number % CUSTOMERS], "factor": [number]}))
            self.lake.run("compact", "ns.many", "--min-files", "2", "--quiet")
            self.finish(self.submit("refresh", sql, "--into", "ns.out"))
            self.assertEqual(self.rows("ns.out"), self.query(sql))
        kept = json.loads(self.lake.run("history", "ns.many", "--json"))["snapshots"]
        self.assertLess(len(kept), 10)

    def test_a_join_is_kept_fresh_from_both_sides(self):
        self.lake.run("table", "create", "ns.customers", "--schema", "customer long, factor long")
        self.start_worker()
        self.start_worker()
        sql = ("select o.id, o.total * c.factor as total from ns.orders o join ns.customers c"
               " on o.customer = c.customer")
        job = self.submit("refresh", sql, "--into", "ns.out", "--keep")
        grouped = "select c.factor as customer, sum(o.total) as total from ns.orders o join ns.customers c" \
                  " on o.customer = c.customer group by c.factor"
        sums = self.submit("refresh", grouped, "--into", "ns.sums", "--keep", "--partial-aggregates")
        for number in range(CUSTOMERS):
            self.add(15)
            self.lake.import_rows("ns.customers", pa.table({"customer": [number], "factor": [number % 3]}))
        want = self.query(sql)
        self.await_that(lambda: self.rows("ns.out"), lambda rows: len(rows) >= len(want))
        self.assertEqual(self.rows("ns.out"), want)
        again = "select customer, sum(total) as total from ns.sums group by customer"
        self.await_that(lambda: self.query(again), lambda rows: rows == self.query(grouped))
        for each in (job, sums):
            self.lake.run("job", "cancel", each)
            self.await_job(each, lambda shown: shown["state"] == "cancelled" and shown["left"] == 0)
        self.add(15)
        self.lake.run("job", "list")
        self.assertEqual(self.rows("ns.out"), want)
        self.lake.run("doctor", "--deep")

    def test_files_that_come_into_a_folder_are_ingested_once(self):
        folder = self.lake.folder / "incoming"
        folder.mkdir()
        self.start_worker()
        job = self.submit("ingest", str(folder / "*.parquet"), "--into", "ns.orders", "--follow", "--settled", "0")
        for number in range(6):
            written = folder / f"{number}.part"
            pq.write_table(orders(number * 10, 10), written)
            os.rename(written, folder / f"{number}.parquet")
        (folder / "folder.parquet").mkdir()
        want = [tuple(row.values()) for row in orders(0, 60).to_pylist()]
        self.await_that(lambda: self.rows("ns.orders"), lambda rows: len(rows) >= len(want))
        # Somebody else takes the folder over, and finds nothing new.
        self.kill_all()
        self.start_worker("--name", "second")
        pq.write_table(orders(60, 1), folder / "last.parquet")
        want += [tuple(row.values()) for row in orders(60, 1).to_pylist()]
        self.await_that(lambda: self.rows("ns.orders"), lambda rows: len(rows) >= len(want))
        self.assertEqual(self.rows("ns.orders"), want)
        self.assertEqual(self.show(job)["state"], "running")
        self.lake.run("job", "cancel", job)

    def test_compaction_loses_nothing_of_what_is_added_meanwhile(self):
        for _ in range(30):
            self.add(3)
        self.start_worker()
        self.start_worker()
        job = self.submit("compact", "ns.orders", "--target-size", "6K")
        until = time.monotonic() + 60
        while self.show(job)["state"] != "done" and time.monotonic() < until:
            self.add(3)
        self.finish(job)
        self.assertGreater(self.show(job)["tasks"], 1)
        self.assertEqual(self.rows("ns.orders"), [tuple(row.values()) for row in orders(0, self.next).to_pylist()])
        self.lake.run("doctor", "--deep")
