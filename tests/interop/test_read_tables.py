"""We read what PyIceberg wrote: every snapshot, filters, and both kinds of commits in one table."""
import unittest

import pyiceberg_tables
import samples
from lake_runner import LakeTest


class ReadTables(LakeTest):
    def setUp(self):
        super().setUp()
        self.theirs = self.lake.root / "theirs"
        self.catalog = pyiceberg_tables.catalog_in(self.theirs)

    def tearDown(self):
        self.lake.run("doctor", "--deep", "--quiet")

    def register(self, table):
        name = "ns." + table.name()[-1]
        self.lake.run("table", "register", name, table.metadata_location)
        return name

    def assert_every_snapshot(self, name, table):
        """Each snapshot with PyIceberg's schema for it, and the present."""
        self.assert_same_rows(self.lake.scan(name), table.scan().to_arrow(), f"{name} now")
        for snapshot in table.snapshots():
            want = table.scan(snapshot_id=snapshot.snapshot_id).to_arrow()
            got = self.lake.scan(name, as_of=snapshot.snapshot_id)
            self.assert_same_rows(got, want, f"{name} at {snapshot.snapshot_id}")
        for ref in table.refs():
            self.assert_same_rows(self.lake.scan(name, as_of=ref),
                                  table.scan().use_ref(ref).to_arrow(), f"{name} at {ref}")

    def append_and_read(self, name, table, columns=None):
        """Our commit on top of theirs, PyIceberg's on top of ours, and ours again."""
        before = self.lake.scan(name)
        more = pyiceberg_tables.rows(200, 7)
        self.lake.import_rows(name, more.select(columns) if columns else more)
        seen = self.lake.pyiceberg(name)
        self.assertEqual(seen.scan().to_arrow().num_rows, before.num_rows + 7)
        self.assert_same_rows(self.lake.scan(name), seen.scan().to_arrow(), f"{name} appended")
        again = self.catalog.register_table(("theirs", table.name()[-1] + "_again"),
                                            seen.metadata_location)
        again.append(more.slice(0, 3).select(columns) if columns else more.slice(0, 3))
        again.delete("id >= 202 and id < 205")
        self.assert_every_snapshot(self.register(again), again)

    def test_versions_and_codecs(self):
        for version, codec in [(1, "gzip"), (2, "gzip"), (2, "zstandard"), (2, "snappy"),
                               (1, "null")]:
            with self.subTest(version=version, codec=codec):
                table = pyiceberg_tables.every_type(self.catalog, f"v{version}_{codec}", version, codec)
                name = self.register(table)
                self.assert_every_snapshot(name, table)
                self.assert_same_rows(self.lake.scan(name), pyiceberg_tables.rows(0, 90))
                if codec in ("gzip", "snappy"):
                    self.append_and_read(name, table)

    def test_every_transform(self):
        for number, partition in enumerate(pyiceberg_tables.PARTITIONS):
            with self.subTest(partition=partition):
                table = pyiceberg_tables.partitioned(self.catalog, partition, 1 + number % 2)
                name = self.register(table)
                self.assert_every_snapshot(name, table)
                self.assert_filters(name, pyiceberg_tables.PARTITIONS[partition][0])
                if number % 6 == 0:
                    self.append_and_read(name, table)

    def assert_filters(self, name, column):
        rows = samples.table(0, 33).to_pylist()
        values = sorted({row[column] for row in rows} - {None})
        for filter in samples.filters(column, values)[:9]:
            got = sorted(self.lake.scan(name, filter.text)["id"].to_pylist())
            self.assertEqual(got, [row["id"] for row in filter.of(rows)], f"{name}: {filter.text}")

    def test_overwrites_upserts_and_deletes(self):
        for version in (1, 2):
            with self.subTest(version=version):
                table = pyiceberg_tables.overwritten(self.catalog, version)
                self.assertGreater(len(table.snapshots()), 8)
                self.assert_every_snapshot(self.register(table), table)

    def test_evolved_schemas_and_specs(self):
        for version in (1, 2):
            with self.subTest(version=version):
                table = pyiceberg_tables.evolved(self.catalog, version)
                name = self.register(table)
                self.assert_every_snapshot(name, table)
                everything = table.scan().to_arrow().to_pylist()
                for filter in [samples.compare("whole", ">", 2), samples.is_null("gone"),
                               samples.compare("f", "=", 1.5), samples.compare("price", "<", 13),
                               samples.is_null("added"), samples.compare("day", ">=", everything[0]["day"])]:
                    got = self.lake.scan(name, filter.text)
                    self.assert_same_rows(got, filter.of(everything), filter.text)

    def test_branches_and_tags(self):
        table = pyiceberg_tables.branched(self.catalog)
        self.assertEqual(set(table.refs()), {"main", "v1", "side"})
        name = self.register(table)
        self.assert_every_snapshot(name, table)
        self.append_and_read(name, table)

    def test_a_table_rolled_back(self):
        table = pyiceberg_tables.rolled_back(self.catalog)
        name = self.register(table)
        self.assertEqual(self.lake.scan(name).num_rows, 10)
        self.assert_every_snapshot(name, table)
        self.append_and_read(name, table)

    def test_files_without_field_ids(self):
        table = pyiceberg_tables.with_files_added(self.catalog, self.theirs)
        name = self.register(table)
        self.assert_every_snapshot(name, table)


if __name__ == "__main__":
    unittest.main()
