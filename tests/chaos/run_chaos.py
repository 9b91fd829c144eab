"""Writers on a real ensemble while writers, combiners and servers are killed and stopped, and the network between them
is cut; then the judge (judge.py).

    unshare --net --mount --pid --fork --kill-child --mount-proc run_chaos.py --servers FOLDER --writer-program PROGRAM
            [--seconds S] [--seed N] [--writers N]
    with_ensemble.py FOLDER -- run_chaos.py --writer-program PROGRAM ...

The second form is for machines without network namespaces: there nothing is cut. PARKEEPER names the binary; the first
form needs tests/zookeeper in PYTHONPATH. Prints the seed and what was done; ends with 1 and one line per finding. What belongs to a
finding (histories, logs, the lake's files) is kept in the folder that is named then.
"""
import argparse
import json
import logging
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

import evidence
import history
from judge import judge
from nemesis import AgainstServers, Nemesis
from servers import open_servers
from writers import AgainstWriters, Writers

BINARY = os.environ["PARKEEPER"]
SESSION_MS = 4000
TABLE = "chaos.events"


def parkeeper(lake, *arguments):
    done = subprocess.run([BINARY, "--lake", lake, "--quiet", "--json", *arguments], capture_output=True, text=True,
                          timeout=300)
    if done.returncode != 0:
        raise AssertionError(f"{arguments} gave {done.returncode}: {done.stderr}")
    return json.loads(done.stdout or "null")


def wait_for_appends(writers, seconds):
    """Until somebody has been told that an append is committed."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if any(writers.has_committed(writer) for writer in range(writers.count)):
            return
        time.sleep(0.1)
    raise AssertionError("nobody could append anything in time")


def rage(arguments, folder, lake, servers, machines, partitions):
    """The chaos itself; (what was done, what nobody expected)."""
    writers = Writers(arguments.writer_program, lake, TABLE, folder / "histories", arguments.writers, arguments.rows,
                      arguments.seed, machines)
    chance = random.Random(arguments.seed)
    nemesis = Nemesis(chance, AgainstWriters(writers, chance, f"{servers.connect}/chaos", SESSION_MS / 1000),
                      *([partitions(servers, chance)] if partitions else []), AgainstServers(servers, chance))
    try:
        for writer in range(arguments.writers):
            writers.start(writer)
        wait_for_appends(writers, 90)
        nemesis.rage(arguments.seconds)
    finally:
        nemesis.relent()
        late = writers.finish(150)
    return nemesis.done, writers.surprises + ([f"{late} writers did not end in time"] if late else [])


def doctor(connect, folder):
    """What it finds; with the usual patience, and again when a busy machine starved it."""
    lake = f"zk://{connect}/chaos?warehouse=file://{folder}/data&session-timeout-ms=30000"
    for left in reversed(range(3)):
        try:
            return [f"doctor: {finding}" for finding in parkeeper(lake, "doctor", "--deep")["findings"]]
        except AssertionError:
            if not left:
                raise


def summary(arguments, done, told, found):
    appends = told.appends.values()
    by_outcome = {}
    for append in appends:
        answer = append.told()
        outcome = answer.outcome if answer else "unknown"
        by_outcome[outcome] = by_outcome.get(outcome, 0) + 1
    asked_again = sum(len(append.answers) > 1 for append in appends)
    return (f"seed {arguments.seed}: {arguments.writers} writers, {arguments.seconds} s; appends: "
            + ", ".join(f"{count} {outcome}" for outcome, count in sorted(by_outcome.items()))
            + f"; {asked_again} told more than once; {len(told.reads)} reads; {found.version} versions, "
            f"{len(found.files)} files, {found.rows.total()} rows; "
            + ", ".join(f"{count} x {deed}" for deed, count in sorted(done.items())))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--writer-program", required=True)
    parser.add_argument("--seconds", type=float, default=150)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("PARKEEPER_SEED", random.randrange(1, 10**6))))
    parser.add_argument("--writers", type=int, default=16)
    parser.add_argument("--rows", type=int, default=10, help="of each append")
    parser.add_argument("--servers", help="a folder, which is emptied, for servers in a network that is cut")
    arguments = parser.parse_args()
    logging.getLogger("kazoo").setLevel(logging.CRITICAL)  # its servers come and go, as they are meant to
    print(f"seed {arguments.seed}; PARKEEPER_SEED draws its schedule again", flush=True)
    servers, machines, partitions = open_servers(BINARY, arguments.servers)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="parkeeper-chaos-"))
    lake = f"zk://{servers.connect}/chaos?warehouse=file://{folder}/data&session-timeout-ms={SESSION_MS}"
    parkeeper(lake, "namespace", "create", "chaos")
    parkeeper(lake, "table", "create", TABLE, "--schema", "writer bigint, number bigint, row bigint")
    done, surprises = rage(arguments, folder, lake, servers, machines, partitions)
    told = history.load(folder / "histories")
    found = evidence.gather(f"{servers.connect}/chaos")
    print(summary(arguments, done, told, found), flush=True)
    findings = surprises + judge(told, found, arguments.rows) + doctor(servers.connect, folder)
    for finding in findings[:50]:
        print(f"FINDING {finding}")
    if findings:
        print(f"{len(findings)} findings, seed {arguments.seed}; all of it is kept in {folder}")
        return 1
    print("linearizable, and the account is exact")
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
