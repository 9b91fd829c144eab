"""Runs one measurement in a process of its own, so that none warms threads or allocators for another."""
import os
import subprocess
import time
from dataclasses import dataclass


@dataclass
class Finished:
    seconds: float  # wall time of the whole process
    cpu: float      # user and system
    rss: int        # peak, in bytes
    output: str


class ChildFailed(Exception):
    pass


def run(command, **environment):
    """The command's standard output and what it cost. ChildFailed with its last words when it fails."""
    start = time.perf_counter()
    child = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             env={**os.environ, **environment})
    output = child.stdout.read().decode()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    if child.returncode != 0:
        raise ChildFailed(f"{command[0]} ended with {child.returncode}: {output[-800:].strip()}")
    return Finished(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, output)
