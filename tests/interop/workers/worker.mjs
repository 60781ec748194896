// A worker whose jobs tell what they do in files, for tests: what was done how often, and by which process. The same as worker.py.

import { appendFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { JobFailed, Worker } from "../../../sdks/typescript-worker/dist/src/index.js";

const [url, key, drainSeconds] = process.argv.slice(2);
const worker = new Worker({ url, key, slots: 4, drainMs: 1000 * Number(drainSeconds) });

function tell(folder, word) {
  appendFileSync(join(folder, "log"), `${word} ${process.pid}\n`);
}

worker.job(
  "work",
  {
    description: "Does steps, one of which may wait for a file.",
    input: { type: "object", properties: { folder: { type: "string" }, steps: { type: "integer" }, hold: { type: "integer" } }, required: ["folder", "steps"] },
    backoffMs: 1,
  },
  async job => {
    const { folder, steps, hold } = job.input;
    async function act(number) {
      tell(folder, number);
      while (number === hold && !existsSync(join(folder, "go"))) {
        await sleep(20);
      }
      return number * number;
    }

    let total = 0;
    for (let number = 0; number < steps; number++) {
      total += await job.step(`step/${number}`, act, number);
      await job.progress(100 * (number + 1) / steps, `step ${number}`);
    }
    const squares = Array.from({ length: steps }, (_, n) => `${n * n}\n`).join("");
    await job.artifact("squares.txt", Buffer.from(squares.repeat(20_000)), "text/plain");
    return { total };
  },
);

worker.job("linger", { description: "Goes on until it is told to stop." }, async job => {
  tell(job.input.folder, "begun");
  while (!job.shouldStop) {
    await sleep(20);
  }
  await job.progress(0, "not reached");
});

worker.job("stumble", { description: "Fails as it is told.", backoffMs: 1 }, async function stumble(job) {
  if (job.input.final) {
    throw new JobFailed("bad_input", "It says that it fails.");
  }
  if (job.attempt < 3) {
    throw new Error("no luck");
  }
  return job.attempt;
});

worker.job("converse", { description: "Waits for a signal, a time and children." }, async job => {
  const said = await job.signal("approval", "approve");
  await job.delay("pause", 50);
  const children = await job.children("fan", [{ type: "stumble", input: { final: true } }, { type: "work", input: { folder: job.input.folder, steps: 3 } }]);
  return { said, children: children.map(({ state, output }) => [state, output]) };
});

worker.job("gather", { description: "Starts jobs, does a step meanwhile, takes each as it ends, and reads their files.", backoffMs: 1 }, async job => {
  const { folder, file } = job.input;
  const wanted = [
    { type: "work", input: { folder, steps: 3 } }, { type: "work", input: { folder, steps: 2 } }, { type: "stumble", input: { final: true } },
  ];
  const ids = await job.startChildren("fan", wanted);

  async function think(number) {
    tell(folder, "think");
    while (!existsSync(join(folder, "go"))) {
      await sleep(20);
    }
    return { answer: number + 1, tokens: [7, 5] };
  }

  const usage = ({ tokens: [promptTokens, completionTokens] }) => ({ model: "tiny", promptTokens, completionTokens });
  const thought = await job.step("think", think, 41, { usage });
  const ended = [];
  for await (const [number, child] of job.childrenAsTheyEnd("fan", wanted)) {
    if (child.id !== ids[number]) {
      throw new Error(`${child.id} is not ${ids[number]}`);
    }
    ended[number] = [child.state, child.error, (await job.readArtifact("squares.txt", child.id))?.length ?? null];
  }
  await job.artifact("own.txt", Buffer.from("mine"), "text/plain");
  const answer = await job.ask("question", { wanted: "a number" });
  return {
    answer: thought.answer + answer.number,
    ended,
    again: (await job.children("fan", wanted)).map(child => child.state),
    own: (await job.readArtifact("own.txt")).toString(),
    none: await job.readArtifact("other.txt"),
    given: (await job.readFile(file.artifact)).toString(),
  };
});

worker.job("hesitate", { description: "Asks people, but not for ever." }, job => job.ask("question", 1, { expiresMs: 60_000, fail: job.input.fail }));

await worker.run();
process.exit(); // code that does not stop would keep the process
