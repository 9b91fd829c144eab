"""The account of the fleet test: what the tables hold against what the source files hold, counted without any code of
ours (the list of files by PyIceberg, the rows by DuckDB), and what the coordinator says of it."""
import json

import duckdb
from pyiceberg.table import StaticTable

SHOWN = 3  # rows of a difference


def data_files(metadata_location):
    """Each data file of the table as often as manifests name it."""
    table = StaticTable.from_metadata(metadata_location)
    current = table.current_snapshot()
    return [entry.data_file.file_path.removeprefix("file://")
            for manifest in (current.manifests(table.io) if current else [])
            for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True)]


def texts(values):
    return "[" + ", ".join("'" + str(value).replace("'", "''") + "'" for value in values) + "]"


class Judge:
    """`source_patterns`: of each table that is made of source files, by its name in the lake."""

    def __init__(self, source_patterns):
        self.connection = duckdb.connect()
        for table, patterns in source_patterns.items():
            self.connection.execute(f"create schema if not exists {table.split('.')[0]}")
            self.connection.execute(f"create view {table} as from read_parquet({texts(patterns)})")

    def rows(self, sql):
        return self.connection.sql(f"select count(*) from ({sql})").fetchall()[0][0]

    def compare(self, table, files, sql):
        """Findings: rows that the table's data files have and `sql` over the source files has not, as often, or the other
        way round."""
        if not files:
            missing = self.rows(sql)
            return [f"{table} has no row, and should have {missing}"] if missing else []
        columns = ", ".join(column for column, *_ in self.connection.sql(f"describe {sql}").fetchall())
        found = f"select {columns} from read_parquet({texts(files)})"
        findings = []
        for what, have, lack in (("too many", found, sql), ("missing", sql, found)):
            rest = self.connection.sql(f"({have}) except all ({lack})").fetchall()
            if rest:
                findings.append(f"{table}: {len(rest)} rows are {what}, such as {rest[:SHOWN]}")
        return findings


def check_position(output, inputs):
    """`output`, `inputs`: described. That what is kept fresh has come to the end of what it is made of."""
    position = json.loads(output["properties"].get("parkeeper.position.default", "{}")).get("snapshots", {})
    heads = {each["key"]: each["current-snapshot"]["snapshot-id"] for each in inputs}
    return [] if position == heads else [f"{output['table']} is made of {position}, and its tables are at {heads}"]


def check_dead_letters(shown, poisoned):
    """`shown`: every job with its dead letters. Those of the files that cannot be read, with a reason that names them,
    and no others."""
    letters = [letter for job in shown for letter in job["dead-letters"]]
    findings = [f"task {letter['task']} is dead: {letter['part']}: {letter.get('error')}" for letter in letters
                if letter["part"] not in poisoned or letter["part"].rpartition("/")[2] not in letter.get("error", "")]
    missing = set(poisoned) - {letter["part"] for letter in letters}
    return findings + [f"no dead letter of {path}" for path in sorted(missing)]


def check_coordinator(nodes, keys_to_files):
    """`nodes`: path to value, of all below /jobs/seen, /tasks/run and /t, when all jobs are over. A marker for each file
    that is in a table and for no other, no claim, no commit that waits."""
    findings = []
    for key, files in keys_to_files.items():
        marked = [json.loads(value)["source"] for path, value in nodes.items()
                  if path.startswith(f"/jobs/seen/{key}/") and path.count("/") == 5]
        if sorted(marked) != sorted(files):
            odd = sorted(set(marked) ^ set(files))
            findings.append(f"{len(marked)} markers of {len(files)} files, odd ones: {odd[:SHOWN]}")
    findings += [f"a claim is left: {path}" for path in nodes if path.startswith("/tasks/run/") and path.count("/") == 4]
    findings += [f"a commit waits still: {path}" for path in nodes if "/q/" in path and path.startswith("/t/")]
    return findings
