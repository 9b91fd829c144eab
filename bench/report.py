"""Results as a table with ratios, and as JSON."""
import json
import math
import os
import platform
import statistics
import sys


def machine():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
                 platform.machine())
    return {"cpu": model, "cores": len(os.sched_getaffinity(0)), "system": platform.platform(),
            "load": [round(x, 2) for x in os.getloadavg()]}


def _mb(count):
    return "" if count is None else f"{count / 1e6:.0f}"


def show(name, results, notes):
    """Ratios are to the fastest peer: below 1 we are faster."""
    here = machine()
    print(f"\n{name} on {here['cores']} cores, {here['cpu']}; load now {here['load'][0]}")
    for case in dict.fromkeys(result["case"] for result in results):
        rows = [result for result in results if result["case"] == case]
        best = min((r["value"] for r in rows if not r["failed"] and r["unit"] == "s"
                    and not r["system"].startswith("parkeeper")), default=None)
        print(f"\n  {case}")
        print(f"  {'system':<18}{'median s':>10}{'/ best peer':>13}{'cpu s':>8}{'rss MB':>8}{'out MB':>8}  samples")
        for row in sorted(rows, key=lambda r: (r["failed"], r["value"] or 0)):
            if row["failed"]:
                print(f"  {row['system']:<18}{'failed':>10}  {row['error']}")
                continue
            ratio = f"{row['value'] / best:.2f}" if best else ""
            samples = " ".join(f"{s:.2f}" for s in row["samples"])
            print(f"  {row['system']:<18}{row['value']:>10.3f}{ratio:>13}{row['cpu']:>8.2f}{_mb(row['rss']):>8}"
                  f"{_mb(row.get('bytes')):>8}  {samples}")
    print()
    for note in notes:
        print(f"  {note}")
    sys.stdout.flush()


def _ratio(row, peers):
    """How many times better than the best of these: above 1 is better, of rates and of times. The median over the
    rounds, each against the same round of the peer, because a machine is faster in one round than in another."""
    peers = [peer for peer in peers if not peer["failed"]]
    if not peers or not row["value"]:
        return ""
    is_rate = row["unit"].endswith("/s")
    peer = (max if is_rate else min)(peers, key=lambda p: p["value"])
    ratios = [a / b if is_rate else b / a for a, b in zip(row["samples"], peer["samples"])]
    middle = statistics.median(ratios)
    if len(ratios) < 3:
        return f"{middle:.2f}"
    error = 2 * statistics.stdev(map(math.log, ratios)) / math.sqrt(len(ratios))
    return f"{middle:.2f}±{middle * error:.2f}"


def show_ratios(name, results, notes, to="c-client"):
    """Of rates and latencies. Ratios to one peer and to the best: above 1 we are better."""
    here = machine()
    print(f"\n{name} on {here['cores']} cores, {here['cpu']}; load now {here['load'][0]}")
    for case in dict.fromkeys(result["case"] for result in results):
        rows = [result for result in results if result["case"] == case]
        peers = [row for row in rows if not row["system"].startswith("parkeeper")]
        print(f"\n  {case}")
        print(f"  {'system':<22}{rows[0]['unit']:>14}{'/ ' + to:>12}{'/ best peer':>13}{'p50 ms':>9}{'p99 ms':>9}"
              f"{'cpu us':>8}  samples")
        for row in rows:
            if row["failed"]:
                print(f"  {row['system']:<22}{'failed':>14}  {row['error']}")
                continue
            samples = " ".join(f"{s:.0f}" if s >= 100 else f"{s:.1f}" for s in row["samples"])
            value = f"{row['value']:.0f}" if row["value"] >= 100 else f"{row['value']:.1f}"
            print(f"  {row['system']:<22}{value:>14}{_ratio(row, [p for p in peers if p['system'] == to]):>12}"
                  f"{_ratio(row, peers):>13}{row['p50_ms']:>9.2f}{row['p99_ms']:>9.2f}{row['cpu_us']:>8.0f}  {samples}")
    print()
    for note in notes:
        print(f"  {note}")
    sys.stdout.flush()


def write_json(path, name, results, notes):
    with open(path, "w") as file:
        json.dump({"bench": name, "machine": machine(), "results": results, "notes": notes}, file, indent=1)
        file.write("\n")
