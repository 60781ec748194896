"""A worker: claims jobs from a server and does each in a thread of its own."""

import json
import logging
import os
import platform
import signal
import socket
import threading
import time
import traceback
import uuid

import grpc

from . import protocol
from .job import Interrupted, Job, JobFailed, LeaseLost, StepInDoubt, Stopped

log = logging.getLogger("helixflow")

_CLAIM_WAIT_SECONDS = 20
_LONGEST_FAILURE_WAIT = 5
_GRACE_SECONDS = 2


class Worker:
    """Does jobs of the types that are given to it with @worker.job(...), then worker.run().

    Parameters: the server's url; a key with the scope "worker" (jobs of its project) or "workers" (of all); the number of jobs at the same time; how long jobs may take to end when the worker
    is told to stop (SIGTERM or SIGINT), before they are handed back for another worker to go on with.
    """

    def __init__(self, url, key, *, slots=4, drain_seconds=20, name=None):
        self._connection = protocol.Connection(url, key)
        self._slots = slots
        self._drain_seconds = drain_seconds
        self.name = name or f"{socket.gethostname()}/{os.getpid()}-{uuid.uuid4().hex[:4]}"
        self._types = {}
        self._lock = threading.Lock()
        self._jobs = set()
        self._running = 0
        self._slot_is_free = threading.Event()
        self._stopping = threading.Event()
        self._claim = None

    def job(self, name, *, description="", input_schema=None, output_schema=None, **options):
        """Declares a type of jobs; the function below it gets a Job and returns the output, a JSON value.

        Options are how its jobs are tried where those who ask say nothing: max_attempts, backoff_ms, lease_ms, attempt_timeout_ms …
        """

        def declare(function):
            message = protocol.JobType(
                name=name,
                description=description or (function.__doc__ or "").strip(),
                input_schema_json=json.dumps(input_schema or {}).encode(),
                output_schema_json=json.dumps(output_schema or {}).encode(),
            )
            if options:
                message.options.CopyFrom(protocol.RunOptions(**options))
            self._types[name] = (function, message)
            return function

        return declare

    def run(self):
        """Works until the process is told to stop."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop())
        threads = [threading.Thread(target=loop, daemon=True) for loop in (self._stay_registered, self._beat, self._claim_jobs)]
        for thread in threads:
            thread.start()
        while not self._stopping.wait(1):  # a wait without end would keep the handlers of signals from running
            pass
        self._drain()

    def stop(self):
        """Begins to stop: takes no more jobs. Any thread and any handler of a signal may call it."""
        self._stopping.set()
        self._slot_is_free.set()

    def _stay_registered(self):
        wait = 0
        while not self._stopping.wait(wait):
            request = protocol.RegisterRequest(
                worker=self.name,
                host=socket.gethostname(),
                slots=self._slots,
                program=f"python {platform.python_version()}",
                types=[message for _, message in self._types.values()],
            )
            try:
                wait = self._connection.Register(request, timeout=30).again_after_ms / 1000
            except grpc.RpcError as error:
                log.warning("the worker cannot register: %s", error.details())
                if error.code() in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.INVALID_ARGUMENT):
                    self.stop()  # nothing that time would change
                wait = 1

    def _claim_jobs(self):
        failure_wait = 0.05
        while not self._stopping.is_set():
            with self._lock:
                free = self._slots - self._running
                self._slot_is_free.clear()
            if free == 0:
                self._slot_is_free.wait()
                continue
            request = protocol.ClaimRequest(
                worker=self.name,
                most=free,
                wait_ms=_CLAIM_WAIT_SECONDS * 1000,
                types=[protocol.TypeRoom(type=name, most=free) for name in self._types],
            )
            asked = time.monotonic()
            try:
                self._claim = self._connection.Claim.future(request)
                if self._stopping.is_set():
                    self._claim.cancel()
                answer = self._claim.result()
                failure_wait = 0.05
            except (grpc.RpcError, grpc.FutureCancelledError) as error:
                if not self._stopping.is_set():
                    log.warning("no jobs can be claimed: %s", error)
                    self._stopping.wait(failure_wait)
                    failure_wait = min(2 * failure_wait, _LONGEST_FAILURE_WAIT)
                continue
            claimed_at = asked + answer.waited_ms / 1000
            for claim in answer.claims:
                with self._lock:
                    self._running += 1
                threading.Thread(target=self._do, args=(claim, claimed_at), daemon=True).start()

    def _do(self, claim, claimed_at):
        function, _ = self._types[claim.run.type]
        job = None
        try:
            job = Job(self._connection, claim, claimed_at)
            with self._lock:
                self._jobs.add(job)
            self._attempt(job, function)
        except LeaseLost:
            log.warning("the job %s is another worker's now", claim.run.id)
        except Interrupted:
            pass  # it waits, and has let go of its worker
        except Exception:
            log.exception("what became of the job %s could not be recorded; it is tried again when its lease has run out", claim.run.id)
        finally:
            with self._lock:
                self._jobs.discard(job)
                self._running -= 1
            self._slot_is_free.set()

    def _attempt(self, job, function):
        try:
            job.complete(function(job))
        except Stopped:
            job.end()
        except JobFailed as failure:
            job.fail(failure.code, str(failure), final=True)
        except StepInDoubt as doubt:
            job.fail("replay_mismatch", str(doubt), final=True)
        except Exception as error:
            if job.should_stop:
                job.end()  # whatever the code threw after it was told to end comes from that
            else:
                log.info("the job %s has failed: %s", job.id, error)
                job.fail("job_error", str(error) or type(error).__name__, final=False, details={"stack": traceback.format_exc()[-8000:]})

    def _beat(self):
        while True:
            time.sleep(0.1)
            now = time.monotonic()
            with self._lock:
                due = [job for job in self._jobs if job.beat_at <= now]
            if not due:
                continue
            try:
                answer = self._connection.Heartbeat(protocol.HeartbeatRequest(leases=[job.lease() for job in due]), timeout=5)
            except grpc.RpcError as error:
                log.warning("no heartbeat gets through: %s", error.details())
                time.sleep(0.2)
                continue
            for job, state in zip(due, answer.states):
                job.beaten(now, state)

    def _drain(self):
        if self._claim is not None:
            self._claim.cancel()  # what the server claims at this moment it hands back when the worker leaves
        self._wait_for_jobs(self._drain_seconds)
        with self._lock:
            for job in self._jobs:
                job.is_handed_back = True  # its next step ends it
        self._wait_for_jobs(_GRACE_SECONDS)
        try:
            self._connection.Leave(protocol.LeaveRequest(worker=self.name), timeout=5)
        except grpc.RpcError as error:
            log.warning("the server does not know that the worker has left: %s", error.details())
        self._connection.close()

    def _wait_for_jobs(self, seconds):
        end = time.monotonic() + seconds
        while self._running > 0 and time.monotonic() < end:
            time.sleep(0.02)
