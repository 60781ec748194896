// Counts the words of documents: one step for each, so that none is counted twice whatever happens to the worker.
//
//   export HELIXFLOW_API_KEY=…
//   npm ci && npm run build && node dist/examples/countWords.js http://127.0.0.1:8080
//
//   curl -s http://127.0.0.1:8080/api/v1/agent/jobs -H "Authorization: Bearer $HELIXFLOW_API_KEY" -H 'Content-Type: application/json' \
//     -d '{"type": "count-words", "input": {"documents": ["one two three", "four five"]}}'

import { JobFailed, Worker } from "../src/index.js";

const worker = new Worker({ url: process.argv[2] ?? "http://127.0.0.1:8080", key: process.env["HELIXFLOW_API_KEY"]! });

function count(text: string): number {
  return text.split(/\s+/).filter(word => word.length > 0).length;
}

worker.job(
  "count-words",
  {
    description: "Counts the words of documents.",
    input: { type: "object", properties: { documents: { type: "array", items: { type: "string" } } }, required: ["documents"], additionalProperties: false },
    output: { type: "object", properties: { words: { type: "integer" } }, required: ["words"] },
    maxAttempts: 5,
  },
  async job => {
    const documents: string[] = job.input.documents;
    if (documents.length === 0) {
      throw new JobFailed("no_documents", "There is no document to count.");
    }
    const counts = await Promise.all(documents.map((text, i) => job.step(`document/${i}`, count, text, { effect: "pure" })));
    await job.progress(90, "counted");
    return { words: counts.reduce((sum, words) => sum + words, 0) };
  },
);

await worker.run();
process.exit(); // code that does not stop would keep the process
