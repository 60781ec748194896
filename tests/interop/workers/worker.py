"""A worker whose jobs tell what they do in files, for tests: what was done how often, and by which process."""

import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "sdks/python-worker"))
from helixflow_worker import JobFailed, Worker  # noqa: E402

worker = Worker(sys.argv[1], sys.argv[2], slots=4, drain_seconds=float(sys.argv[3]))


def tell(folder, word):
    with open(os.path.join(folder, "log"), "a") as file:
        file.write(f"{word} {os.getpid()}\n")


@worker.job(
    "work",
    description="Does steps, one of which may wait for a file.",
    input_schema={"type": "object", "properties": {"folder": {"type": "string"}, "steps": {"type": "integer"}, "hold": {"type": "integer"}}, "required": ["folder", "steps"]},
    backoff_ms=1,
)
def work(job):
    def act(number):
        tell(job.input["folder"], number)
        while number == job.input.get("hold") and not os.path.exists(os.path.join(job.input["folder"], "go")):
            time.sleep(0.02)
        return number * number

    total = 0
    for number in range(job.input["steps"]):
        total += job.step(f"step/{number}", act, number)
        job.progress(100 * (number + 1) // job.input["steps"], f"step {number}")
    return {"total": total}


@worker.job("linger", description="Goes on until it is told to stop.")
def linger(job):
    tell(job.input["folder"], "begun")
    while not job.should_stop:
        time.sleep(0.02)
    job.progress(0, "not reached")


@worker.job("stumble", description="Fails as it is told.", backoff_ms=1)
def stumble(job):
    if job.input["final"]:
        raise JobFailed("bad_input", "It says that it fails.")
    if job.attempt < 3:
        raise ValueError("no luck")
    return job.attempt


@worker.job("converse", description="Waits for a signal, a time and children.")
def converse(job):
    said = job.signal("approval", "approve")
    job.delay("pause", 0.05)
    children = job.children("fan", [("stumble", {"final": True}), ("work", {"folder": job.input["folder"], "steps": 3})])
    return {"said": said, "children": children}


worker.run()
