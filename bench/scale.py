"""how far it goes past one machine, by simulation (./dev bench scale --help)"""
import argparse
import dataclasses
import json
import pathlib
import statistics
import sys
import tempfile

from bench.scale_model import Assumptions, Ensemble, Seen, Simulation, Storage, Table, Writer

# Of heap for each node, with a watch for every ninth and a session for every 45th: measured over 45,000 nodes of our
# kinds (docs/scale.md). `--measure` measures each kind.
NODE_BYTES = 720

STORES = {  # median milliseconds of writing and reading a small object
    "local disk": {"put_ms": 1.0, "get_ms": 0.1, "kb_per_ms": 1000.0},
    "fast object store": {"put_ms": 8.0, "get_ms": 5.0},
    "object store": {"put_ms": 61.0, "get_ms": 30.0},
}


def simulate(assumptions, writers, tables, way, seed, seconds, ensembles=1):
    """One run: closed loops of writers, each picking one of the tables at random for each commit."""
    simulation = Simulation(seed)
    parts = [Ensemble(simulation, assumptions) for _ in range(ensembles)]
    storage, made = Storage(simulation, assumptions), {}
    warm_ms, end_ms = 1000 * seconds, 2000 * seconds
    seen = Seen(since=warm_ms)

    def pick():
        number = simulation.random.randrange(tables)
        if number not in made:
            made[number] = Table(simulation, parts[number % ensembles], storage, seen)
        return made[number]

    for _ in range(writers):
        Writer(simulation, pick, way, seen).start()
    simulation.run(warm_ms)
    before = sum(part.writes for part in parts), sum(part.busy_ms for part in parts)
    simulation.run(end_ms)
    writes = sum(part.writes for part in parts) - before[0]
    busy_ms = sum(part.busy_ms for part in parts) - before[1]
    took = end_ms - warm_ms
    cuts = statistics.quantiles(seen.latencies, n=100) if len(seen.latencies) > 1 else [float("nan")] * 99
    return {"way": way, "writers": writers, "tables": tables, "ensembles": ensembles,
            "commits_per_s": len(seen.latencies) / took * 1000,
            "median_ms": cuts[49], "p99_ms": cuts[98],
            "group": statistics.mean(seen.groups) if seen.groups else 0.0,
            "writes_per_s": writes / took * 1000, "writes_per_commit": writes / max(1, len(seen.latencies)),
            "leader_busy": busy_ms / took / ensembles,
            "storage_share": seen.storage_ms / seen.rounds_ms if seen.rounds_ms else 0.0}


HEADINGS = {"commits_per_s": "commits/s", "median_ms": "median ms", "p99_ms": "p99 ms", "group": "group",
            "writes_per_s": "writes/s", "writes_per_commit": "writes/commit", "leader_busy": "leader busy"}


def show(title, names, rows):
    """`names` are the columns before the figures."""
    print(f"\n{title}\n")
    print("| " + " | ".join([*names, *HEADINGS.values()]) + " |")
    print("|" + "---|" * len(names) + "---:|" * len(HEADINGS))
    for row in rows:
        figures = [f"{row['commits_per_s']:,.1f}", f"{row['median_ms']:,.0f}", f"{row['p99_ms']:,.0f}",
                   f"{row['group']:.1f}", f"{row['writes_per_s']:,.0f}", f"{row['writes_per_commit']:.2f}",
                   f"{row['leader_busy']:.0%}"]
        print("| " + " | ".join([*(f"{row[name]:,}" if isinstance(row[name], int) else row[name] for name in names),
                                 *figures]) + " |")
    sys.stdout.flush()
    return [{"case": title, **row} for row in rows]


def one_table(assumptions, seed, seconds):
    rows = []
    for store, changes in STORES.items():
        here = dataclasses.replace(assumptions, think_ms=0.0, **changes)
        for writers in (1, 8, 32, 128, 1000):
            rows.append({"store": store, **simulate(here, writers, 1, "queue", seed, seconds)})
        for writers in (1, 8, 32):
            rows.append({"store": store, **simulate(here, writers, 1, "race", seed, seconds)})
        rows.append({"store": store, **simulate(here, 1000, 1, "server", seed, seconds)})
    return show("One table, writers that never pause", ["store", "way", "writers"], rows)


def storage_takes_over(assumptions, seed, seconds):
    rows = []
    for put_ms in (0.5, 1, 2, 5, 10, 20, 61, 120):
        here = dataclasses.replace(assumptions, think_ms=0.0, put_ms=put_ms, get_ms=put_ms / 2)
        row = simulate(here, 32, 1, "queue", seed, seconds)
        rows.append({"put ms": f"{put_ms:g}", "storage": f"{row['storage_share']:.0%}", **row})
    return show("One table, 32 writers: which share of a round is storage?", ["put ms", "storage"], rows)


def many_writers(assumptions, seed, seconds):
    rows = []
    for pause_ms in (assumptions.think_ms, assumptions.think_ms * 0.4):
        here = dataclasses.replace(assumptions, think_ms=pause_ms)
        for way, counts in (("queue", (1, 10, 1000, 1_000_000)), ("server", (10, 1000))):
            for tables in counts:
                row = simulate(here, 10_000, tables, way, seed, seconds)
                rows.append({"pause s": f"{pause_ms / 1000:g}", **row})
    return show("10,000 writers: on how many tables?", ["pause s", "tables", "way"], rows)


def several_ensembles(assumptions, seed, seconds):
    hurried = dataclasses.replace(assumptions, think_ms=assumptions.think_ms / 5)
    rows = [simulate(hurried, 10_000, 1_000_000, "queue", seed, seconds, ensembles) for ensembles in (1, 2, 4)]
    return show(f"10,000 writers, a pause of {hurried.think_ms / 1000:g} s, 1,000,000 tables", ["ensembles"], rows)


def slower_logs(assumptions, seed, seconds):
    rows = []
    for voters in (3, 5):
        for sync_ms in (1, 10):
            here = dataclasses.replace(assumptions, voters=voters, sync_ms=sync_ms)
            row = simulate(here, 10_000, 1_000_000, "queue", seed, seconds)
            rows.append({"voters": voters, "sync ms": f"{sync_ms:g}", **row})
    return show("10,000 writers, 1,000,000 tables: how fast must the log be?", ["voters", "sync ms"], rows)


def memory():
    """What a server holds: the nodes of so many tables, by what was measured for one node."""
    print("\nHeap of each server\n\n| tables | records of each | nodes | GB |\n|---:|---:|---:|---:|")
    results = []
    for tables in (10_000, 100_000, 1_000_000):
        for records in (1, 8, 63):
            nodes = tables * (4 + records)  # name, head, r, q
            print(f"| {tables:,} | {records} | {nodes:,} | {nodes * NODE_BYTES / 1e9:.2f} |")
            results.append({"case": "heap", "tables": tables, "records": records, "bytes": nodes * NODE_BYTES})
    return results


def followers(assumptions):
    """Readers that follow one table: each round is an event and a read for each of them."""
    print("\nFollowers of one table: servers that their reads keep busy by half\n")
    print("| followers | 1 round/s | 10 rounds/s | 50 rounds/s |\n|---:|---:|---:|---:|")
    results = []
    for count in (100, 1000, 10_000, 100_000):
        servers = [count * rounds * 2 * assumptions.read_us / 1e6 / 0.5 for rounds in (1, 10, 50)]
        print(f"| {count:,} | " + " | ".join(f"{value:,.2f}" for value in servers) + " |")
        results.append({"case": "followers", "followers": count, "servers": servers})
    return results


def parse(arguments):
    parser = argparse.ArgumentParser(prog="./dev bench scale", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3.0,
                        help="simulated and counted, of each run, after as many to warm up (default 3)")
    parser.add_argument("--assume", action="append", default=[], metavar="NAME=VALUE",
                        help="instead of an assumption, as bench/scale_model.py names it")
    parser.add_argument("--measure", action="store_true",
                        help="what a server of this machine pays, instead of simulating")
    parser.add_argument("--requests", type=int, default=20_000, help="of each kind, with --measure (default 20000)")
    parser.add_argument("--tables", type=int, default=20_000, help="made, with --measure (default 20000)")
    parser.add_argument("--json", metavar="FILE", help="write the results here too")
    options = parser.parse_args(arguments)
    names = {field.name: field.type for field in dataclasses.fields(Assumptions)}
    changes = {}
    for text in options.assume:
        name, _, value = text.partition("=")
        if name not in names:
            parser.error(f"no assumption '{name}'; there are {', '.join(names)}")
        try:
            changes[name] = names[name](value)
        except ValueError:
            parser.error(f"{name} is a number, not '{value}'")
    return options, dataclasses.replace(Assumptions(), **changes)


def main(arguments):
    options, assumptions = parse(arguments)
    if options.measure:
        from bench import server_cost  # needs a ZooKeeper client; the simulation needs nothing

        with tempfile.TemporaryDirectory(prefix="parkeeper-bench-") as folder:
            results = server_cost.run(pathlib.Path(folder), options.tables, options.requests)
        print(json.dumps(results, indent=1))
    else:
        print(f"seed {options.seed}, {options.seconds:g} s of each run; assumed:")
        for name, value in dataclasses.asdict(assumptions).items():
            print(f"  {name} = {value:g}")
        results = one_table(assumptions, options.seed, options.seconds)
        results += storage_takes_over(assumptions, options.seed, options.seconds)
        results += many_writers(assumptions, options.seed, options.seconds)
        results += several_ensembles(assumptions, options.seed, options.seconds)
        results += slower_logs(assumptions, options.seed, options.seconds)
        results += memory()
        results += followers(assumptions)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps({"bench": "scale", "results": results}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
