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
    job.artifact("squares.txt", "".join(f"{n * n}\n" for n in range(job.input["steps"])).encode() * 20_000, "text/plain")
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
    return {"said": said, "children": [(child.state, child.output) for child in children]}


@worker.job("gather", description="Starts jobs, does a step meanwhile, takes each as it ends, and reads their files.", backoff_ms=1)
def gather(job):
    folder = job.input["folder"]
    wanted = [("work", {"folder": folder, "steps": steps}) for steps in (3, 2)] + [("stumble", {"final": True})]
    ids = job.start_children("fan", wanted)

    def think(number):
        tell(folder, "think")
        while not os.path.exists(os.path.join(folder, "go")):
            time.sleep(0.02)
        return {"answer": number + 1, "tokens": [7, 5]}

    thought = job.step("think", think, 41, usage=lambda output: ("tiny", *output["tokens"]))
    ended = {}
    for number, child in job.children_as_they_end("fan", wanted):
        assert child.id == ids[number], (child, ids)
        squares = job.read_artifact("squares.txt", child.id)
        ended[number] = [child.state, child.error, None if squares is None else len(squares)]
    job.artifact("own.txt", b"mine", "text/plain")
    answer = job.ask("question", {"wanted": "a number"})
    return {
        "answer": thought["answer"] + answer["number"],
        "ended": [ended[number] for number in sorted(ended)],
        "again": [child.state for child in job.children("fan", wanted)],
        "own": job.read_artifact("own.txt").decode(),
        "none": job.read_artifact("other.txt"),
        "given": job.read_file(job.input["file"]["artifact"]).decode(),
    }


@worker.job("hesitate", description="Asks people, but not for ever.")
def hesitate(job):
    return job.ask("question", 1, expires_seconds=60, fail=job.input["fail"])


worker.run()
