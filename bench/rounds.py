"""Interleaved rounds: every system once, then every system again, so that a busy moment hits all alike."""
import json
import statistics
import sys

from bench import child


def peer(system, *arguments):
    """One measurement of a peer: seconds inside the process, and what the process cost."""
    done = child.run([sys.executable, "-m", "bench.peers", system, *arguments])
    said = json.loads(done.output.splitlines()[-1])
    return done, said["seconds"], said["rows"]


def interleave(measures, repeat):
    """`measures` maps (system, case) to a function giving {"seconds", "cpu", "rss", ...}; one result for each."""
    samples = {key: [] for key in measures}
    errors = {}
    for number in range(repeat):
        for (system, case), measure in measures.items():
            if (system, case) in errors:
                continue
            print(f"round {number + 1}/{repeat}: {case}: {system}", file=sys.stderr, flush=True)
            try:
                samples[system, case].append(measure())
            except child.ChildFailed as failure:
                errors[system, case] = str(failure)
    return [_result(system, case, samples[system, case], errors.get((system, case)))
            for system, case in measures]


def _result(system, case, samples, error):
    result = {"system": system, "case": case, "writers": 1, "unit": "s", "failed": int(error is not None)}
    if error is not None:
        return {**result, "value": None, "error": error}
    middle = min(samples, key=lambda s: abs(s["seconds"] - statistics.median(x["seconds"] for x in samples)))
    return {**result, **{k: v for k, v in middle.items() if k != "seconds"},
            "value": statistics.median(s["seconds"] for s in samples),
            "samples": [round(s["seconds"], 4) for s in samples],
            "cpu": statistics.median(s["cpu"] for s in samples),
            "rss": max(s["rss"] for s in samples)}
