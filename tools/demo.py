"""The main job, end to end: ./dev demo [--scale 0.1] [--lake DIR] [--zookeeper]

Four writer processes import TPC-H line items at once into one table partitioned by month; one of them is killed with
-9 on the way and its pieces are imported again. Then the table is held against the input by a reader of its own
(pyarrow and PyIceberg), which shares no code with what wrote it. With --zookeeper the lake is coordinated by an
ensemble of three servers, started for the demo, whose leader is killed with -9 too.
"""
import argparse
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

WRITERS = 4
PIECES = 16
TABLE = "tpch.lineitem"
BINARY = os.environ["PARKEEPER"]


def say(text=""):
    print(text, flush=True)


def parkeeper(lake, *arguments, check=True, **options):
    done = subprocess.run([BINARY, "--lake", lake, "--quiet", *arguments], capture_output=True, text=True, **options)
    if check and done.returncode != 0:
        sys.exit(f"parkeeper {' '.join(arguments)} failed ({done.returncode}): {done.stderr}")
    return done


def parkeeper_json(lake, *arguments):
    return json.loads(parkeeper(lake, "--json", *arguments).stdout)


def make_input(folder, scale):
    """TPC-H lineitem as Parquet pieces."""
    tool = pathlib.Path(sys.executable).parent / "tpchgen-cli"
    subprocess.run(
        [tool, "parquet", "-s", str(scale), "--tables=lineitem", f"--parts={PIECES}", f"--output-dir={folder}"],
        check=True, capture_output=True,
    )
    pieces = sorted(map(str, pathlib.Path(folder).rglob("*.parquet")))
    assert len(pieces) == PIECES, pieces
    return pieces


def fingerprint(batches):
    """Rows, and a sum over all rows of a hash of all their columns: the same whatever the order of rows."""
    rows, total = 0, 0
    for batch in batches:
        table = pa.Table.from_batches([batch])
        columns = []
        for name in sorted(table.column_names):
            column = table[name].combine_chunks()
            if pa.types.is_dictionary(column.type):
                column = column.dictionary_decode()
            columns.append(pc.cast(column, pa.string()))
        lines = pc.binary_join_element_wise(*columns, "|")
        for line in lines.to_pylist():
            total += int.from_bytes(hashlib.blake2b(line.encode(), digest_size=8).digest(), "big")
        rows += table.num_rows
    return rows, total % 2**64


def input_batches(pieces):
    for piece in pieces:
        yield from pq.ParquetFile(piece).iter_batches()


def table_batches(lake):
    from pyiceberg.table import StaticTable

    location = parkeeper_json(lake, "table", "describe", TABLE)["metadata-location"]
    yield from StaticTable.from_metadata(location).scan().to_arrow_batch_reader()


def start_writer(lake, pieces):
    return subprocess.Popen(
        [BINARY, "--lake", lake, "--quiet", "--json", "import", *pieces, "--into", TABLE, "--writers", "1"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )


class Ensemble:
    """Three ZooKeeper servers in `folder`, until the end of the with statement."""

    def __init__(self, folder):
        self.folder = folder

    def call(self, verb, *options):
        done = subprocess.run([BINARY, "--json", "ensemble", verb, "--dir", self.folder, *options],
                              capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"parkeeper ensemble {verb} failed: {done.stderr}")
        return json.loads(done.stdout)

    def __enter__(self):
        try:
            self.connect = self.call("start", "--size", "3", "--port", "0")["connect"]
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        subprocess.run([BINARY, "ensemble", "stop", "--dir", self.folder], capture_output=True)

    def leader(self):
        for server in self.call("status")["servers"]:
            if server["role"] == "leader":
                return server
        sys.exit("the ensemble has no leader")


def kill_leader(ensemble):
    leader = ensemble.leader()
    os.kill(leader["pid"], signal.SIGKILL)
    say(f"   the ensemble's leader, server {leader['id']}, was killed with -9 too")


def wait_for_data_files(folder, more_than, writer):
    """Until the lake holds more data files, so that a writer is killed in the middle of its work."""
    folder = pathlib.Path(folder)
    while writer.poll() is None and sum(1 for _ in folder.rglob("*.parquet")) <= more_than:
        time.sleep(0.005)


def import_with_a_kill(lake, folder, pieces, ensemble):
    """All pieces through four processes, one of which dies; returns the number of commits."""
    shares = [pieces[i::WRITERS] for i in range(WRITERS)]
    victim_share = shares[0]
    victim = start_writer(lake, victim_share)
    others = [start_writer(lake, share) for share in shares[1:]]
    wait_for_data_files(folder, 40, victim)
    if ensemble:
        kill_leader(ensemble)
    victim.send_signal(signal.SIGKILL)
    victim.communicate()
    killed_in_time = victim.returncode == -signal.SIGKILL
    for writer in others:
        out, err = writer.communicate()
        if writer.returncode != 0:
            sys.exit(f"a writer failed: {err}")
        say(f"   a writer put {json.loads(out)['rows']:,} rows, one commit")
    if not killed_in_time:
        say("   the writer was done before the kill; nothing to repeat")
        return
    say("   one writer was killed with -9 in the middle: none of its rows is in the table")
    again = start_writer(lake, victim_share)
    out, err = again.communicate()
    if again.returncode != 0:
        sys.exit(f"the second try failed: {err}")
    say(f"   its pieces were imported again: {json.loads(out)['rows']:,} rows, one commit")


def show_pruning(lake):
    where = "l_shipdate >= date '1994-03-05' and l_shipdate < date '1994-03-12' and l_quantity > 45"
    say(f"4. A selective scan: {where}")
    plan = parkeeper(lake, "scan", TABLE, "--where", where, "--explain").stdout
    say("   " + plan.strip().replace("\n", "\n   "))
    say("   rows: " + parkeeper(lake, "scan", TABLE, "--where", where, "--count").stdout.strip())


def show_time_travel(lake):
    history = parkeeper_json(lake, "history", TABLE)["snapshots"]
    first = history[0]
    count = parkeeper_json(lake, "scan", TABLE, "--as-of", str(first["snapshot-id"]), "--count")["count"]
    say(f"5. Time travel: of {len(history)} snapshots the first had {count:,} rows")
    if count != int(first["summary"]["total-records"]):
        sys.exit("the first snapshot is not what its summary says")


def run(lake, data, scale, ensemble=None):
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="parkeeper-demo-") as folder:
        say(f"1. Generating TPC-H line items, scale {scale}, as {PIECES} Parquet pieces")
        pieces = make_input(folder, scale)
        size = sum(os.path.getsize(piece) for piece in pieces)
        say(f"2. {WRITERS} writer processes import them at once into {TABLE}, partitioned by month(l_shipdate)")
        parkeeper(lake, "namespace", "create", "tpch")
        parkeeper(lake, "table", "create", TABLE, "--like", pieces[0], "--partition-by", "month(l_shipdate)")
        imported = time.monotonic()
        import_with_a_kill(lake, data, pieces, ensemble)
        imported = time.monotonic() - imported
        say("3. Is every row there, once? Counted and hashed over all columns by pyarrow and PyIceberg")
        expected = fingerprint(input_batches(pieces))
        found = fingerprint(table_batches(lake))
        say(f"   input {expected[0]:,} rows, checksum {expected[1]:016x}")
        say(f"   table {found[0]:,} rows, checksum {found[1]:016x}")
        if expected != found:
            sys.exit("THE TABLE IS NOT THE INPUT")
    show_pruning(lake)
    show_time_travel(lake)
    doctor = parkeeper_json(lake, "doctor", "--deep")
    say(f"6. Doctor: {doctor['data-files']} data files, {len(doctor['findings'])} findings, "
        f"{doctor['unreferenced-files']} files left by the killed writer")
    say()
    say(f"Done: {expected[0]:,} rows ({size / 1e6:.0f} MB of Parquet) imported in {imported:.1f} s by {WRITERS} "
        f"processes with one killed{' and the leader too' if ensemble else ''}, exact to the last row; {time.monotonic() - began:.0f} s in all.")


def run_on_zookeeper(arguments):
    with tempfile.TemporaryDirectory(prefix="parkeeper-demo-zookeeper-") as temporary:
        data = os.path.abspath(arguments.lake or os.path.join(temporary, "data"))
        with Ensemble(os.path.join(temporary, "ensemble")) as ensemble:
            say(f"0. Three ZooKeeper servers serve on {ensemble.connect}; server {ensemble.leader()['id']} leads")
            run(f"zk://{ensemble.connect}/demo?warehouse=file://{data}", data, arguments.scale, ensemble)
            say(f"   the ensemble is led by server {ensemble.leader()['id']} now")


def main():
    parser = argparse.ArgumentParser(prog="./dev demo", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=0.1, help="TPC-H scale factor (default 0.1: 600,000 rows)")
    parser.add_argument("--lake", help="an empty folder for the lake, kept afterwards (default: a temporary one)")
    parser.add_argument("--zookeeper", action="store_true", help="on three ZooKeeper servers, whose leader is killed")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if arguments.zookeeper:
        run_on_zookeeper(arguments)
        return
    lake = arguments.lake or tempfile.mkdtemp(prefix="parkeeper-demo-lake-")
    try:
        run(lake, lake, arguments.scale)
        if arguments.lake:
            say(f"The lake stays in {lake}: try  build/release/parkeeper --lake {lake} history {TABLE}")
    finally:
        if not arguments.lake:
            shutil.rmtree(lake, ignore_errors=True)


if __name__ == "__main__":
    main()
