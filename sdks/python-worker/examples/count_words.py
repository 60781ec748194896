"""Counts the words of documents: one step for each, so that none is counted twice whatever happens to the worker.

    export HELIXFLOW_API_KEY=…
    python3 examples/count_words.py http://127.0.0.1:8080

    curl -s http://127.0.0.1:8080/api/v1/agent/jobs -H "Authorization: Bearer $HELIXFLOW_API_KEY" -H 'Content-Type: application/json' \\
      -d '{"type": "count-words", "input": {"documents": ["one two three", "four five"]}}'
"""

import logging
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from helixflow_worker import Effect, JobFailed, Worker  # noqa: E402

worker = Worker(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080", os.environ["HELIXFLOW_API_KEY"])


def count(text):
    return len(text.split())


@worker.job(
    "count-words",
    description="Counts the words of documents.",
    input_schema={
        "type": "object",
        "properties": {"documents": {"type": "array", "items": {"type": "string"}}},
        "required": ["documents"],
        "additionalProperties": False,
    },
    output_schema={"type": "object", "properties": {"words": {"type": "integer"}}, "required": ["words"]},
    max_attempts=5,
)
def count_words(job):
    documents = job.input["documents"]
    if not documents:
        raise JobFailed("no_documents", "There is no document to count.")
    words = 0
    for i, text in enumerate(documents):
        words += job.step(f"document/{i}", count, text, effect=Effect.PURE)
        job.progress(100 * (i + 1) // len(documents), f"{i + 1} of {len(documents)} documents")
    return {"words": words}


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    worker.run()
