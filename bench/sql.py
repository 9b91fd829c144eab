"""the 22 TPC-H queries over our tables against DuckDB on the plain Parquet files, query by query"""
import json
import math
import os
import pathlib
import subprocess
import sys

from bench import child, report
from bench.lineitem import warm

QUERIES = pathlib.Path(__file__).parent.parent / "tests/interop/tpch"
TABLES = ["customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier"]
PARTITIONS = {"lineitem": "month(l_shipdate)"}
NUMBERS = range(1, 23)


def ensure_tables(data, scale):
    """The eight files at this scale factor, generated once."""
    folder = data / f"tpch{scale:g}"
    if not folder.exists():
        print(f"generating TPC-H at scale {scale:g} ...", file=sys.stderr, flush=True)
        making = data / f"tpch{scale:g}.making"
        subprocess.run([pathlib.Path(sys.executable).parent / "tpchgen-cli", "parquet", "-s", f"{scale:g}",
                        f"--output-dir={making}"], check=True, capture_output=True)
        making.rename(folder)
    return folder.resolve()


def fill(lake, plain):
    call = [os.environ["PARKEEPER"], "--lake", lake, "--quiet"]
    child.run([*call, "namespace", "create", "tpch"])
    for table in TABLES:
        by = ["--partition-by", PARTITIONS[table]] if table in PARTITIONS else []
        child.run([*call, "import", plain / f"{table}.parquet", "--into", f"tpch.{table}", "--create", *by])


class Runner:
    """A process that stays and times one query after the other."""

    def __init__(self, command, **environment):
        self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env={**os.environ, **environment})

    def run(self, number):
        self.process.stdin.write(f"{QUERIES / f'q{number:02}.sql'}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise child.ChildFailed(f"query {number} ended the process with {self.process.wait()}")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=60)


def start(lake, plain, threads):
    """Ours, DuckDB in the version of our library, and the one of the other benches."""
    site = pathlib.Path(sys.executable).parent.parent / "duckdb-of-sql"
    peer = [sys.executable, "-m", "bench.sql", plain, threads]
    runner = pathlib.Path(os.environ["PARKEEPER"]).parent / "bench_sql_runner"
    return {"parkeeper": Runner([runner, lake, threads]),
            "duckdb-same": Runner(peer, PYTHONPATH=f"{site}:{os.getcwd()}"),
            "duckdb": Runner(peer)}


def run(_, folder, options):
    scale = (options.scale or [1])[0]
    plain, lake, threads = ensure_tables(options.data, scale), folder / "lake", len(os.sched_getaffinity(0))
    fill(lake, plain)
    warm(plain)
    warm(lake)
    samples = {}
    runners = start(lake, plain, threads)
    try:
        for number in NUMBERS:
            for system, runner in runners.items():
                runner.run(number)  # once to warm it
            for repeat in range(options.repeat):
                for system, runner in runners.items():
                    done = runner.run(number)
                    samples.setdefault((number, system), []).append(done)
            if len({done["rows"] for system in runners for done in samples[number, system]}) != 1:
                raise child.ChildFailed(f"query {number} gives different numbers of rows")
    finally:
        for runner in runners.values():
            runner.close()
    results = [{"system": system, "case": f"query {number}", "writers": 1, "unit": "s", "failed": 0,
                "value": min(s["seconds"] for s in done), "rows": done[0]["rows"],
                "samples": [round(s["seconds"], 4) for s in done]} for (number, system), done in samples.items()]
    return results, [
        f"scale {scale:g}, {threads} threads each, warm; the best of {options.repeat} interleaved rounds; seconds inside"
        " processes that stay: from the text of a query to its last Arrow batch",
        "parkeeper: tables of a lake, lineitem partitioned by month, metadata and manifests read for each query",
        "duckdb-same: DuckDB for Python in the version of the library that ours loads; duckdb: the newer one;"
        " both over views of the plain Parquet files"]


def show(name, results, notes):
    """Ratios are of ours to theirs: below 1 we are faster."""
    here = report.machine()
    print(f"\n{name} on {here['cores']} cores, {here['cpu']}; load now {here['load'][0]}\n")
    seconds = {(r["case"], r["system"]): r["value"] for r in results}
    systems = list(dict.fromkeys(r["system"] for r in results))
    cases = list(dict.fromkeys(r["case"] for r in results))
    peers = systems[1:]
    print(f"  {'ms':<12}" + "".join(f"{s:>14}" for s in systems) + "".join(f"{'/ ' + s:>16}" for s in peers))
    for case in cases:
        print(f"  {case:<12}" + "".join(f"{seconds[case, s] * 1000:>14.1f}" for s in systems)
              + "".join(f"{seconds[case, 'parkeeper'] / seconds[case, s]:>16.2f}" for s in peers))
    total = {s: sum(seconds[case, s] for case in cases) for s in systems}
    print(f"  {'total':<12}" + "".join(f"{total[s] * 1000:>14.1f}" for s in systems)
          + "".join(f"{total['parkeeper'] / total[s]:>16.2f}" for s in peers))
    means = [math.exp(sum(math.log(seconds[case, "parkeeper"] / seconds[case, s]) for case in cases) / len(cases))
             for s in peers]
    print(f"  {'geometric mean of ratios':<{12 + 14 * len(systems)}}" + "".join(f"{mean:>16.2f}" for mean in means))
    print()
    for note in notes:
        print(f"  {note}")
    sys.stdout.flush()


def peer(plain, threads):
    """The peer's process."""
    import time
    import duckdb
    connection = duckdb.connect()
    connection.execute(f"set threads = {threads}")
    connection.execute("create schema tpch")
    for table in TABLES:
        connection.execute(f"create view tpch.{table} as from read_parquet('{plain}/{table}.parquet')")
    for line in sys.stdin:
        query = pathlib.Path(line.strip()).read_text()
        begin = time.perf_counter()
        result = connection.execute(query)
        reader = result.to_arrow_reader() if hasattr(result, "to_arrow_reader") else result.fetch_record_batch()
        rows = sum(batch.num_rows for batch in reader)
        print(json.dumps({"seconds": time.perf_counter() - begin, "rows": rows}), flush=True)


if __name__ == "__main__":
    peer(*sys.argv[1:])
