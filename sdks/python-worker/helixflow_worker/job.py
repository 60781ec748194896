"""A job, to the code that does it."""

import enum
import json
import time
import typing

import grpc

from . import protocol


class Effect(enum.IntEnum):
    """What repeating a step would do; it decides what becomes of the step when its worker is lost."""

    UNSAFE = 1  # unknown: never repeated; the job is parked until somebody decides
    PURE = 2  # a function of its input: other jobs of the project may use its output
    RECORDED = 3  # asks the world: asked again only when the answer was not recorded
    IDEMPOTENT = 4  # repeating it with the same key changes nothing


class Child(typing.NamedTuple):
    """Another job that was done for this one."""

    id: str
    state: str  # succeeded, cancelled or dead
    output: object  # None unless it has succeeded
    error: typing.Optional[str]  # what went wrong, otherwise


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

    def step(self, address, function, value, *, name=None, version=1, effect=Effect.RECORDED, usage=None):
        """Does a step, or returns what it had returned.

        The address is the step's place in the job, from the code's structure and its data ("part/3"), and is used once. The function gets the value;
        both the value and what it returns are JSON values. Raise the version when the same value should give another result. When the step asks a
        model, usage is a function from what it returned to the model's name, the question's tokens and the answer's: they count for the job.
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
        record = protocol.PutStepRequest(
            lease=self._lease, address=address, digest=answer.digest, effect=int(effect), output_json=_json(output), started_at=started_at
        )
        if usage is not None:
            model, prompt_tokens, completion_tokens = usage(output)
            record.usage.CopyFrom(protocol.ModelUsage(model=model, prompt_tokens=prompt_tokens, completion_tokens=completion_tokens))
        self._write("PutStep", record)
        return output

    def progress(self, percent, message=""):
        """Tells how far the job is: 0 to 100, and what it does now, for people."""
        self._check()
        self._write("ReportProgress", protocol.ReportProgressRequest(lease=self._lease, percent=int(percent), message=message))

    def artifact(self, name, content, content_type="application/octet-stream"):
        """Keeps a file that the job has made, under a name that clients ask for; its hash. The content is the same each time that the code runs."""
        self._check()

        def parts():
            yield protocol.ArtifactPart(header=protocol.ArtifactHeader(lease=self._lease, name=name, content_type=content_type))
            for at in range(0, len(content), _CHUNK):
                yield protocol.ArtifactPart(content=content[at : at + _CHUNK])

        return self._write("PutArtifact", parts).hash

    def read_artifact(self, name, child=None):
        """What is in a file that the job, or the child with this id, has made; None when there is none of the name."""
        self._check()
        found = self._call("FindArtifact", protocol.FindArtifactRequest(project=self.project, run_id=child or self.id, name=name))
        return self._connection.read_value(found.hash) if found.hash else None

    def read_file(self, digest):
        """What is in a file that the job's input names as {"artifact": digest}."""
        self._check()
        found = self._call("FindValue", protocol.FindValueRequest(project=self.project, run_id=self.id, hash=digest))
        if not found.HasField("length"):
            raise JobFailed("unknown_artifact", f"The job has no file {digest}.")
        return self._connection.read_value(digest)

    def ask(self, address, question, *, expires_seconds=0, fail=False):
        """Asks people something, shown with the job until somebody answers; the answer. The job holds no worker while it waits.

        When nobody has answered after expires_seconds, the answer is {"decision": "reject", "expired": True, ...}; with fail the job fails instead.
        """
        self._check()
        request = protocol.AskRequest(
            lease=self._lease, address=address, question_json=_json(question), expires_ms=int(expires_seconds * 1000), fails_on_expiry=fail
        )
        answer = self.signal(address, self._write("Ask", request).signal)
        if fail and isinstance(answer, dict) and answer.get("expired") is True:
            raise JobFailed("question_expired", f"Nobody has answered in time what the job asks at {address}.")
        return answer

    def signal(self, address, name):
        """What somebody tells the job: an approval, a file that has come. The job holds no worker while it waits."""
        self._check()
        answer = self._write("TakeSignal", protocol.TakeSignalRequest(lease=self._lease, name=name, address=address))
        if answer.HasField("body_json"):
            return json.loads(answer.body_json)
        self._suspend(signals=[name])

    def delay(self, address, seconds):
        """Waits for a time, counted from the first time that the code comes here. The job holds no worker meanwhile."""
        due = self.step(address, lambda wait: self._journal_now() + wait, int(seconds * 1000), name="wait")
        if self._journal_now() < due:
            self._suspend(until=due)

    def children(self, address, requests):
        """Has other jobs done, at the same time, and waits for all of them. A request is a pair of a type and an input.

        Returns the children in the order of the requests.
        """
        answers = self._start(address, requests)
        if any(answer.run.state not in _ENDED for answer in answers):
            self._suspend(runs=[answer.run.id for answer in answers])
        return [self._child_of(answer) for answer in answers]

    def start_children(self, address, requests):
        """Has other jobs begun, and waits for none of them: children(...) with the same address and requests waits for these. Returns their ids."""
        return [answer.run.id for answer in self._start(address, requests)]

    def children_as_they_end(self, address, requests):
        """Has other jobs done and gives each as soon as it has ended, as a pair of its number among the requests and the child."""
        answers = self._start(address, requests)
        left = set(range(len(answers)))
        for i in range(len(answers)):
            ended = sorted((child for child in left if answers[child].run.state in _ENDED), key=lambda child: (answers[child].run.ended_at, child))
            if not ended:
                self._suspend(runs=[answers[child].run.id for child in left], any_run=True)
            # Which one was next is recorded: when the code runs again more have ended.
            child = self.step(f"{address}/ended/{i}", lambda _, first=ended[0]: first, 0, name="next-ended")
            left.remove(child)
            yield child, self._child_of(answers[child])

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

    # Asks for children, or finds those that were asked for.
    def _start(self, address, requests):
        self._check()
        answers = [
            self._call(
                "RequestChild",
                protocol.RequestChildRequest(parent=self.id, project=self.project, address=f"{address}/{i}", type=kind, input_json=_json(value)),
            )
            for i, (kind, value) in enumerate(requests)
        ]
        outcome = protocol.RequestChildResponse.Outcome
        for answer in answers:
            if answer.outcome == outcome.Value("OUTCOME_CONFLICT"):
                raise StepInDoubt(f"At {address} the job {self.id} has asked for other children before.")
            if answer.outcome in (outcome.Value("OUTCOME_UNKNOWN_RUN"), outcome.Value("OUTCOME_UNKNOWN_ARTIFACT")):
                raise JobFailed("unknown_run", f"At {address} the job {self.id} has asked for a job that refers to {answer.unknown}, which its project does not have.")
        return answers

    def _suspend(self, *, until=None, signals=(), runs=(), any_run=False):
        request = protocol.SuspendRequest(lease=self._lease, signals=signals, runs=runs, any_run=any_run)
        if until is not None:
            request.until = until
        self._write("Suspend", request)
        raise Suspended()

    def _child_of(self, answer):
        run = answer.run
        output = answer.output_json or (self._connection.read_value(run.output) if run.output else b"null")
        return Child(run.id, _ENDED[run.state], json.loads(output), run.error.message if run.HasField("error") else None)

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
                return getattr(self._connection, method)(request() if callable(request) else request)
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.UNAVAILABLE:
                    raise
                if self._has_lost():
                    raise LeaseLost() from None
            time.sleep(wait)
            wait = min(2 * wait, 2)


_CHUNK = 256 << 10
_LONGEST_BEAT_SECONDS = 2
_ENDED = {5: "succeeded", 6: "cancelled", 7: "dead"}
_LEASE_STATES = {0: "LOST", 1: "HELD", 2: "CANCEL_REQUESTED", 3: "LOST"}


def _json(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
