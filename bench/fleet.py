"""Many writer processes that begin at once (the protocol: commit_writer.cc), and what became of their commits."""
import json
import os
import statistics
import subprocess
import threading

from bench.child import ChildFailed

START_SECONDS = 180   # for all to be ready
FINISH_SECONDS = 150  # for the commit that each has on its way when the time is over


class Fleet:
    """Started and ready when the with statement begins; gone when it ends."""

    def __init__(self, commands, **environment):
        self.commands, self.environment = commands, environment
        self.children = []

    def __enter__(self):
        try:
            self.children = [
                subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True, env={**os.environ, **self.environment})
                for command in self.commands]
            for line in self._lines(START_SECONDS):
                if line != "ready\n":
                    raise ChildFailed(f"a writer is not ready: {self._last_words()}")
            return self
        except BaseException:
            self.__exit__()
            raise

    def _lines(self, seconds):
        """One line of each; what takes longer is killed, and its line is empty."""
        watchdog = threading.Timer(seconds, lambda: [child.kill() for child in self.children])
        watchdog.start()
        try:
            return [child.stdout.readline() for child in self.children]
        finally:
            watchdog.cancel()

    def _last_words(self):
        for child in self.children:
            child.kill()
        return " ".join(child.stderr.read()[-400:].strip() for child in self.children)[:800]

    def run(self, seconds):
        """What each said of its commits."""
        for child in self.children:
            child.stdin.write("go\n")
            child.stdin.flush()
        lines = self._lines(seconds + FINISH_SECONDS)
        if not all(lines):
            raise ChildFailed(f"a writer ended early or never: {self._last_words()}")
        return [json.loads(line) for line in lines]

    def __exit__(self, *_):
        for child in self.children:
            try:
                child.stdin.close()
            except BrokenPipeError:
                pass  # it has ended
        for child in self.children:
            try:
                child.wait(timeout=30)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            child.stdout.close()
            child.stderr.close()


def summary(tallies, seconds):
    """The tallies of all writers as one result."""
    latencies = sorted(ms for tally in tallies for ms in tally["latencies_ms"])
    errors = [f"{count} x {what}" for tally in tallies for what, count in tally["errors"].items()]
    result = {"value": round(sum(tally["in_time"] for tally in tallies) / seconds, 2), "unit": "commits/s",
              "writers": len(tallies), "seconds": seconds}
    for what in ("acknowledged", "failed", "unknown"):
        result[what] = sum(tally[what] for tally in tallies)
    if latencies:
        result["p50_ms"] = round(statistics.median(latencies), 2)
        result["p99_ms"] = round(latencies[min(len(latencies) - 1, int(0.99 * len(latencies)))], 2)
        result["max_ms"] = round(latencies[-1], 2)
    if errors:
        result["error"] = errors[0]
    return result
