"""The peers of the bench `tasks`, on the Redis server that BENCH_REDIS names; the protocol is that of task_worker.cc.

python -m bench.task_peers SYSTEM client COUNT: submits so many tasks that do nothing and waits until all are done;
python -m bench.task_peers SYSTEM work PROCESSES: worker processes, until a second line on the standard input.
"""
import json
import os
import signal
import sys
import threading
import time

BATCH = 100  # tasks that are submitted, or asked for, at once
IDLE_SECONDS = 0.01
LONGEST_SECONDS = 600


def noop():
    pass


def _stop_at_a_line(stop):
    """Once the worker runs. Says that it has ended at the second line, and ends it at the end of the input."""
    def watch():
        if sys.stdin.readline():
            print(json.dumps({"acknowledged": 0, "failed": 0, "unknown": 0, "errors": {}, "latencies_ms": []}),
                  flush=True)
        sys.stdin.read()
        stop()
    threading.Thread(target=watch, daemon=True).start()


def _begin():
    print("ready", flush=True)
    if not sys.stdin.readline():
        os._exit(0)


class Rq:
    """Its SimpleWorker, which runs tasks in its own process."""

    def __init__(self):
        import redis
        import rq
        self.rq, self.redis = rq, redis.Redis.from_url(os.environ["BENCH_REDIS"])
        self.queue = rq.Queue("bench", connection=self.redis)

    def submit(self, count):
        jobs = self.queue.enqueue_many([self.rq.Queue.prepare_data("bench.task_peers.noop") for _ in range(count)])
        return [job.id for job in jobs]

    def states(self, ids):
        """Of each: None as long as it is not over, then whether it went well."""
        pipeline = self.redis.pipeline(transaction=False)
        for each in ids:
            pipeline.hget(f"rq:job:{each}", "status")
        return [{b"finished": True, b"failed": False}.get(state) for state in pipeline.execute()]

    worker = "SimpleWorker"

    def work(self, processes):
        if processes != 1:
            raise ValueError("a worker of RQ is a process")
        worker = getattr(self.rq, self.worker)([self.queue], connection=self.redis)
        worker.log_result_lifespan = False
        _begin()
        _stop_at_a_line(lambda: os._exit(0))
        worker.work(logging_level="ERROR")


class RqForking(Rq):
    """Its Worker, which is what its command starts: it forks a process for each task."""
    worker = "Worker"


class Celery:
    """Its worker with a pool of processes, which is what its command starts."""

    def __init__(self):
        from celery import Celery as Application
        url = os.environ["BENCH_REDIS"]
        self.app = Application("bench", broker=url, backend=url)
        # A task of a worker that dies is done again, as ours are.
        self.app.conf.update(task_acks_late=True, task_reject_on_worker_lost=True, worker_redirect_stdouts=False,
                             broker_connection_retry_on_startup=True)
        self.task = self.app.task(name="bench.noop")(noop)

    def submit(self, count):
        from celery import group
        return [result.id for result in group([self.task.s() for _ in range(count)]).apply_async().results]

    def states(self, ids):
        backend = self.app.backend
        found = backend.mget([backend.get_key_for_task(each) for each in ids])
        return [None if value is None else json.loads(value)["status"] == "SUCCESS" for value in found]

    def work(self, processes):
        from celery.signals import worker_ready

        @worker_ready.connect(weak=False)
        def begin(**_):
            _begin()
            _stop_at_a_line(lambda: os.kill(os.getpid(), signal.SIGTERM))
        self.app.worker_main(["--quiet", "worker", "--concurrency", str(processes), "--loglevel", "ERROR",
                              "--without-gossip", "--without-mingle"])


SYSTEMS = {"rq": Rq, "rq-forking": RqForking, "celery": Celery}


def await_all(peer, waiting):
    """As the client of task_worker.cc does it. How many went wrong."""
    deadline = time.monotonic() + LONGEST_SECONDS
    wrong = 0
    while waiting:
        left = []
        for first in range(0, len(waiting), BATCH):
            batch = waiting[first:first + BATCH]
            while peer.states(batch[:1])[0] is None:
                if time.monotonic() > deadline:
                    raise TimeoutError("not all tasks are done")
                time.sleep(IDLE_SECONDS)
            states = peer.states(batch)
            wrong += states.count(False)
            left += [each for each, state in zip(batch, states) if state is None]
        waiting = left
    return wrong


def client(peer, count):
    await_all(peer, peer.submit(1))  # opens connections on both sides
    begin = time.perf_counter()
    ids = [each for first in range(0, count, BATCH) for each in peer.submit(min(BATCH, count - first))]
    submitted = time.perf_counter()
    wrong = await_all(peer, ids)
    print(json.dumps({"tasks": count, "wrong": wrong, "submit_seconds": submitted - begin,
                      "seconds": time.perf_counter() - begin}), flush=True)


def main(system, verb, number):
    peer = SYSTEMS[system]()
    if verb == "client":
        client(peer, int(number))
    else:
        peer.work(int(number))


if __name__ == "__main__":
    main(*sys.argv[1:])
