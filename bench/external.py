"""commits that bring their own snapshot, by 1 and 4 processes while 8 append: how many are rejected"""
import shutil
import subprocess
import sys

from bench import child, report
from bench.commits import ROWS, Ours, make_rows
from bench.ensemble import Ensemble
from bench.fleet import Fleet, summary

SYSTEMS = ["parkeeper-sqlite", "parkeeper-zookeeper"]
APPENDERS = 8
EXTERNAL = [1, 4]


def _measure(table, seconds, external):
    append = table.command(seconds, 0)
    with Fleet([append] * APPENDERS + [[*append, "external"]] * external) as fleet:
        told = fleet.run(seconds)
    appends, others = summary(told[:APPENDERS], seconds), summary(told[APPENDERS:], seconds)
    attempts, conflicts = (sum(each[what] for each in told[APPENDERS:]) for what in ("attempts", "conflicts"))
    unknown = appends["unknown"] + others["unknown"]
    return {**others, "attempts": attempts, "conflicts": conflicts,
            "conflict_ratio": round(conflicts / attempts, 3) if attempts else None,
            "appends": appends["value"], "append_p50_ms": appends.get("p50_ms"),
            "unknown": unknown, "failed": appends["failed"] + others["failed"],
            "error": others.get("error") or appends.get("error"),
            "faults": table.faults(appends["acknowledged"] + others["acknowledged"], unknown)}


def _result(system, folder, rows, seconds, external, ensemble):
    print(f"{system}, {external} external", file=sys.stderr, flush=True)
    result = {"system": system, "case": f"{external} external beside {APPENDERS} appenders", "external": external}
    place = folder / f"{system}-{external}"
    place.mkdir()
    url = f"zk://{ensemble.connect}/external-{external}?warehouse=file://{place}" if ensemble else place
    try:
        return {**result, **_measure(Ours(url, rows), seconds, external)}
    except (child.ChildFailed, subprocess.SubprocessError) as failure:
        return {**result, "value": None, "failed": 1, "error": str(failure)}
    finally:
        shutil.rmtree(place)


def _of_system(system, folder, rows, options, ensemble=None):
    return [_result(system, folder, rows, options.seconds, external, ensemble)
            for external in options.writers]


def run(sources, folder, options):
    rows = make_rows(folder / "rows.parquet")
    results = []
    for system in SYSTEMS:
        if options.only and system not in options.only:
            continue
        if system == "parkeeper-zookeeper":
            with Ensemble(folder / "ensemble") as ensemble:
                results += _of_system(system, folder, rows, options, ensemble)
        else:
            results += _of_system(system, folder, rows, options)
    return results, [
        f"each commit appends {ROWS:,} rows as one Parquet file; external ones write manifest, list and snapshot"
        " themselves and assert the snapshot of main, as through a REST catalog",
        "a rejected one (409) reads the table and builds its list and snapshot anew, at once, with the same data file",
        "after each line a scan counts exactly the acknowledged rows, `doctor --deep` finds nothing and PyIceberg"
        " reads the table; if not, it is said"]


def is_bad(result):
    """Rejections are what is measured; nothing else may happen."""
    return bool(result["failed"] or result.get("unknown") or result.get("faults"))


def show(name, results, notes):
    here = report.machine()
    print(f"\n{name} on {here['cores']} cores, {here['cpu']}; load now {here['load'][0]}\n")
    print(f"  {'external':>8}  {'system':<20}{'attempts':>9}{'committed':>10}{'409s':>7}{'ratio':>7}{'commits/s':>11}"
          f"{'p50 ms':>9}{'appends/s':>11}")
    for result in results:
        row = f"  {result['external']:>8}  {result['system']:<20}"
        if result["value"] is None:
            print(f"{row}{'failed':>9}  {result['error'][:300]}")
            continue
        ratio = "" if result["conflict_ratio"] is None else f"{result['conflict_ratio']:.2f}"
        print(f"{row}{result['attempts']:>9}{result['acknowledged']:>10}{result['conflicts']:>7}{ratio:>7}"
              f"{result['value']:>11.1f}{result.get('p50_ms', 0):>9.1f}{result['appends']:>11.1f}")
        for fault in [*result["faults"], *([result["error"]] if is_bad(result) and result["error"] else [])]:
            print(f"           {fault[:300]}")
    print()
    for note in notes:
        print(f"  {note}")
    sys.stdout.flush()
