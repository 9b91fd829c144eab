"""Many processes that begin at once and say what became of what they did (the protocol: commit_writer.cc, and
task_worker.cc for those that are told when to stop)."""
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

    def _tell(self, word):
        for child in self.children:
            child.stdin.write(f"{word}\n")
            child.stdin.flush()

    def begin(self):
        self._tell("go")

    def stop(self):
        """For those that go on until they are told. What each said."""
        self._tell("stop")
        return self._results(FINISH_SECONDS)

    def run(self, seconds):
        """What each said of its commits."""
        self.begin()
        return self._results(seconds + FINISH_SECONDS)

    def _results(self, seconds):
        lines = self._lines(seconds)
        if not all(lines):
            raise ChildFailed(f"a process ended early or never: {self._last_words()}")
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


def counts(tallies):
    """The tallies of all as one: what became of what they did, and how long it took."""
    latencies = sorted(ms for tally in tallies for ms in tally["latencies_ms"])
    errors = [f"{count} x {what}" for tally in tallies for what, count in tally["errors"].items()]
    result = {what: sum(tally[what] for tally in tallies) for what in ("acknowledged", "failed", "unknown")}
    if latencies:
        result["p50_ms"] = round(statistics.median(latencies), 2)
        result["p99_ms"] = round(latencies[min(len(latencies) - 1, int(0.99 * len(latencies)))], 2)
        result["max_ms"] = round(latencies[-1], 2)
    if errors:
        result["error"] = errors[0]
    return result


def summary(tallies, seconds):
    """The tallies of all writers as one result."""
    return {"value": round(sum(tally["in_time"] for tally in tallies) / seconds, 2), "unit": "commits/s",
            "writers": len(tallies), "seconds": seconds, **counts(tallies)}
