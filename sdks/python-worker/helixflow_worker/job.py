"""A job, to the code that does it."""

import enum
import json
import time

import grpc

from . import protocol


class Effect(enum.IntEnum):
    """What repeating a step would do; it decides what becomes of the step when its worker is lost."""

    UNSAFE = 1  # unknown: never repeated; the job is parked until somebody decides
    PURE = 2  # a function of its input: other jobs of the project may use its output
    RECORDED = 3  # asks the world: asked again only when the answer was not recorded
    IDEMPOTENT = 4  # repeating it with the same key changes nothing


class JobFailed(Exception):
    """The job cannot succeed however often it is tried, for example because its input is wrong."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class StepInDoubt(Exception):
    """Nobody knows what became of an unsafe step, or the code was changed while the job was under way. The message says which."""


class Interrupted(BaseException):
    """The job's code is to end here. Let it pass: it is no error, and so derives from no Exception."""


class LeaseLost(Interrupted):
    """Another worker goes on with the job; nothing that this one writes is taken."""


class Suspended(Interrupted):
    """The job waits; its code runs again when what it waits for is there."""


class Stopped(Interrupted):
    """Somebody has cancelled the job, or the worker stops."""


class Job:
    """One attempt at a job. Use it in one thread at a time."""

    def __init__(self, connection, claim, claimed_at):
        self._connection = connection
        self._lease = claim.lease
        self._run = claim.run
        self._lease_seconds = claim.run.options.lease_ms / 1000
        self._opened_at = time.monotonic()
        self._lease_ends = claimed_at + self._lease_seconds
        self._is_lost = False
        self.is_cancelled = False
        self.is_handed_back = False
        self.input = json.loads(claim.input_json or connection.read_value(claim.run.input))

    @property
    def id(self):
        return self._run.id

    @property
    def project(self):
        """On whose account it is done."""
        return self._run.project

    @property
    def attempt(self):
        """1 for the first one."""
        return self._run.attempt

    @property
    def labels(self):
        """The caller's own words about it."""
        return dict(self._run.labels)

    @property
    def should_stop(self):
        """Whether the code should end soon; it does at its next step by itself. For steps that take long."""
        return self.is_cancelled or self.is_handed_back or self._has_lost()

    def key(self, address):
        """The same whenever the step at this address of this job is done: it makes requests to other services idempotent."""
        return f"{self.id}/{address}"

    def step(self, address, function, value, *, name=None, version=1, effect=Effect.RECORDED):
        """Does a step, or returns what it had returned.

        The address is the step's place in the job, from the code's structure and its data ("part/3"), and is used once. The function gets the value;
        both the value and what it returns are JSON values. Raise the version when the same value should give another result.
        """
        self._check()
        name = name or function.__name__
        asked = time.monotonic()
        answer = self._write(
            "GetStep",
            protocol.GetStepRequest(
                lease=self._lease, address=address, executor=name, version=version, effect=int(effect), input_json=_json(value)
            ),
        )
        found = answer.WhichOneof("outcome")
        if found == "output_json":
            return json.loads(answer.output_json)
        if found == "output":
            return json.loads(self._connection.read_value(answer.output))

        if effect == Effect.UNSAFE and time.monotonic() - asked > self._lease_seconds / 3:
            self._beat()  # a process that was paused may have lost the job before it knows: the effect must not begin then
        started_at = self._journal_now()
        try:
            output = function(value)
        except Exception as error:
            if effect != Effect.UNSAFE:
                failure = protocol.RunError(code="step_failed", message=str(error) or type(error).__name__)
                self._write("FailStep", protocol.FailStepRequest(lease=self._lease, address=address, digest=answer.digest, error=failure))
            raise
        # What was done is recorded although the code may be about to end: it must not be done again.
        self._write(
            "PutStep",
            protocol.PutStepRequest(
                lease=self._lease, address=address, digest=answer.digest, effect=int(effect), output_json=_json(output), started_at=started_at
            ),
        )
        return output

    def progress(self, percent, message=""):
        """Tells how far the job is: 0 to 100, and what it does now, for people."""
        self._check()
        self._write("ReportProgress", protocol.ReportProgressRequest(lease=self._lease, percent=int(percent), message=message))

    def signal(self, address, name):
        """What somebody tells the job: an approval, a file that has come. The job holds no worker while it waits."""
        self._check()
        answer = self._write("TakeSignal", protocol.TakeSignalRequest(lease=self._lease, name=name, address=address))
        if answer.HasField("body_json"):
            return json.loads(answer.body_json)
        self._suspend(signal=name)

    def delay(self, address, seconds):
        """Waits for a time, counted from the first time that the code comes here. The job holds no worker meanwhile."""
        due = self.step(address, lambda wait: self._journal_now() + wait, int(seconds * 1000), name="wait")
        if self._journal_now() < due:
            self._suspend(until=due)

    def children(self, address, requests):
        """Has other jobs done, at the same time, and waits for all of them. A request is a pair of a type and an input.

        Returns, in the order of the requests, each child's state and its output: ("succeeded", {...}) or ("dead", None).
        """
        self._check()
        answers = [
            self._call(
                "RequestChild",
                protocol.RequestChildRequest(parent=self.id, project=self.project, address=f"{address}/{i}", type=kind, input_json=_json(value)),
            )
            for i, (kind, value) in enumerate(requests)
        ]
        conflict = protocol.RequestChildResponse.Outcome.Value("OUTCOME_CONFLICT")
        if any(answer.outcome == conflict for answer in answers):
            raise StepInDoubt(f"At {address} the job {self.id} has asked for other children before.")
        if any(answer.run.state not in _ENDED for answer in answers):
            self._suspend(runs=[answer.run.id for answer in answers])
        return [(_ENDED[answer.run.state], self._output_of(answer)) for answer in answers]

    # What the worker does with it.

    def complete(self, output):
        self._write("Complete", protocol.CompleteRequest(lease=self._lease, output_json=_json(output)))

    def fail(self, code, message, *, final, details=None):
        error = protocol.RunError(code=code, message=message, details_json=b"" if details is None else _json(details))
        self._write("Fail", protocol.FailRequest(lease=self._lease, error=error, is_final=final))

    def end(self):
        """Ends a job whose code was told to stop."""
        if self.is_cancelled:
            self._write("Cancelled", protocol.CancelledRequest(lease=self._lease))
        else:
            self._write("HandBack", protocol.HandBackRequest(lease=self._lease))

    @property
    def beat_at(self):
        """When the next heartbeat is due, in time.monotonic: at a third of the lease, and soon enough to hear of a cancellation."""
        return self._lease_ends - self._lease_seconds + min(self._lease_seconds / 3, _LONGEST_BEAT_SECONDS)

    def lease(self):
        return self._lease

    def beaten(self, sent_at, state):
        """A heartbeat was answered."""
        name = _LEASE_STATES[state]
        if name == "LOST":
            self._is_lost = True
        else:
            self._lease_ends = sent_at + self._lease_seconds
            self.is_cancelled = self.is_cancelled or name == "CANCEL_REQUESTED"

    def _beat(self):
        sent_at = time.monotonic()
        answer = self._call("Heartbeat", protocol.HeartbeatRequest(leases=[self._lease]))
        self.beaten(sent_at, answer.states[0])
        self._check()

    def _has_lost(self):
        return self._is_lost or time.monotonic() > self._lease_ends

    def _check(self):
        if self._has_lost():
            raise LeaseLost()
        if self.should_stop:
            raise Stopped()

    # The clock of the journal, which may be another machine's: it is what the claim was stamped with.
    def _journal_now(self):
        return self._run.started_at + int((time.monotonic() - self._opened_at) * 1000)

    def _suspend(self, *, until=None, signal="", runs=()):
        request = protocol.SuspendRequest(lease=self._lease, signal=signal, runs=runs)
        if until is not None:
            request.until = until
        self._write("Suspend", request)
        raise Suspended()

    def _output_of(self, answer):
        if answer.output_json:
            return json.loads(answer.output_json)
        return json.loads(self._connection.read_value(answer.run.output)) if answer.run.output else None

    def _write(self, method, request):
        try:
            return self._call(method, request)
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.ABORTED:
                self._is_lost = True
                raise LeaseLost() from None
            if error.code() == grpc.StatusCode.FAILED_PRECONDITION:
                raise StepInDoubt(error.details()) from None
            raise

    # Again while the server cannot be reached and the job is this worker's.
    def _call(self, method, request):
        wait = 0.02
        while True:
            try:
                return getattr(self._connection, method)(request)
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.UNAVAILABLE:
                    raise
                if self._has_lost():
                    raise LeaseLost() from None
            time.sleep(wait)
            wait = min(2 * wait, 2)


_LONGEST_BEAT_SECONDS = 2
_ENDED = {5: "succeeded", 6: "cancelled", 7: "dead"}
_LEASE_STATES = {0: "LOST", 1: "HELD", 2: "CANCEL_REQUESTED", 3: "LOST"}


def _json(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
