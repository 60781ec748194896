// A worker: claims jobs from a server and does several at a time.

import { hostname } from "node:os";
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { status } from "@grpc/grpc-js";
import { Interrupted, Job, JobFailed, type Json, messageOf, StepInDoubt } from "./job.js";
import { type Claim, Connection, type RunOptions } from "./protocol.js";

const CLAIM_WAIT_MS = 20_000;
const LONGEST_FAILURE_WAIT_MS = 5_000;
const GRACE_MS = 2_000;

export interface WorkerOptions {
  /** The server, for example http://127.0.0.1:8080. */
  url: string;
  /** A key with the scope "worker" (jobs of its project) or "workers" (of all). */
  key: string;
  /** Jobs at the same time; default 16. */
  slots?: number;
  /** How long jobs may take to end when the worker is told to stop, before they are handed back for another worker to go on with; default 20 s. */
  drainMs?: number;
  /** A name that no other worker has; default: made of the host and the process. */
  name?: string;
}

/** What is said about a type of jobs. Options are how its jobs are tried where those who ask say nothing. */
export interface JobOptions extends RunOptions {
  description: string;
  /** JSON Schema (2020-12). */
  input?: object;
  output?: object;
}

interface JobType {
  options: JobOptions;
  act: (job: Job) => Promise<Json | void>;
}

export class Worker {
  readonly name: string;
  readonly #connection: Connection;
  readonly #slots: number;
  readonly #drainMs: number;
  readonly #types = new Map<string, JobType>();
  readonly #jobs = new Set<Job>();
  readonly #running = new Set<Promise<void>>();
  readonly #stopping = new AbortController();
  readonly #ended = new AbortController();

  constructor(options: WorkerOptions) {
    this.#connection = new Connection(options.url, options.key);
    this.#slots = options.slots ?? 16;
    this.#drainMs = options.drainMs ?? 20_000;
    this.name = options.name ?? `${hostname()}/${process.pid}-${randomBytes(2).toString("hex")}`;
  }

  /** Declares a type of jobs; the function gets the job and returns its output. */
  job(name: string, options: JobOptions, act: (job: Job) => Promise<Json | void>): this {
    this.#types.set(name, { options, act });
    return this;
  }

  /** Works until the process is told to stop (SIGTERM or SIGINT), or stop is called. Code of jobs that does not stop then goes on: end the process. */
  async run(): Promise<void> {
    const stop = () => this.stop();
    process.on("SIGTERM", stop).on("SIGINT", stop);
    try {
      const loops = [this.#stayRegistered(), this.#beat()];
      await this.#claim();
      await this.#drain();
      this.#ended.abort();
      await Promise.all(loops);
    } finally {
      process.off("SIGTERM", stop).off("SIGINT", stop);
      this.#connection.close();
    }
  }

  /** Begins to stop: takes no more jobs. */
  stop(): void {
    this.#stopping.abort();
  }

  async #stayRegistered(): Promise<void> {
    const types = [...this.#types].map(([name, { options: { description, input, output, ...options } }]) => ({
      name, description, options, inputSchemaJson: Buffer.from(JSON.stringify(input ?? {})), outputSchemaJson: Buffer.from(JSON.stringify(output ?? {})),
    }));
    while (!this.#stopping.signal.aborted) {
      let again = 1_000;
      try {
        const answer = await this.#connection.call("Register", { worker: this.name, host: hostname(), slots: this.#slots, program: `typescript, node ${process.version}`, types });
        again = Number(answer.againAfterMs);
      } catch (error) {
        console.error(`The worker cannot register: ${messageOf(error)}`);
        if ([status.UNAUTHENTICATED, status.PERMISSION_DENIED, status.INVALID_ARGUMENT].includes((error as { code: number }).code)) {
          this.stop(); // nothing that time would change
        }
      }
      await pause(again, this.#stopping.signal);
    }
  }

  async #claim(): Promise<void> {
    let failureWait = 50;
    while (!this.#stopping.signal.aborted) {
      const free = this.#slots - this.#running.size;
      if (free === 0) {
        await Promise.race([...this.#running, aborted(this.#stopping.signal)]);
        continue;
      }
      const asked = performance.now();
      try {
        const types = [...this.#types.keys()].map(type => ({ type, most: free }));
        const answer = await this.#connection.call("Claim", { worker: this.name, types, most: free, waitMs: CLAIM_WAIT_MS }, this.#stopping.signal);
        failureWait = 50;
        for (const claim of answer.claims) {
          this.#start(claim, asked + Number(answer.waitedMs));
        }
      } catch (error) {
        if (!this.#stopping.signal.aborted) {
          console.error(`No jobs can be claimed: ${messageOf(error)}`);
          await pause(failureWait, this.#stopping.signal);
          failureWait = Math.min(2 * failureWait, LONGEST_FAILURE_WAIT_MS);
        }
      }
    }
  }

  #start(claim: Claim, claimedAt: number): void {
    const running: Promise<void> = this.#do(claim, claimedAt)
      .catch(error => console.error(`What became of the job ${claim.run.id} could not be recorded; it is tried again when its lease has run out:`, error))
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  async #do(claim: Claim, claimedAt: number): Promise<void> {
    const job = await Job.open(this.#connection, claim, claimedAt);
    this.#jobs.add(job);
    try {
      await this.#attempt(job, this.#types.get(claim.run.type)!);
    } catch (error) {
      if (!(error instanceof Interrupted)) {
        throw error;
      }
    } finally {
      this.#jobs.delete(job);
    }
  }

  async #attempt(job: Job, type: JobType): Promise<void> {
    let output: Json;
    try {
      output = await type.act(job) ?? null;
    } catch (error) {
      if (error instanceof Interrupted && error.reason !== "stopped") {
        return; // another worker goes on with it, now or later
      }
      if (error instanceof JobFailed) {
        await job.fail(error.code, error.message, true);
      } else if (error instanceof StepInDoubt) {
        await job.fail("replay_mismatch", error.message, true);
      } else if (job.shouldStop) {
        await job.end(); // whatever the code threw after it was told to end comes from that
      } else {
        await job.fail("job_error", messageOf(error), false, { stack: String(error instanceof Error ? error.stack : error).slice(0, 8_000) });
      }
      return;
    }
    await job.complete(output);
  }

  async #beat(): Promise<void> {
    while (!this.#ended.signal.aborted) {
      await pause(100, this.#ended.signal);
      const now = performance.now();
      const due = [...this.#jobs].filter(job => job.beatAt <= now);
      if (due.length === 0) {
        continue;
      }
      try {
        const answer = await this.#connection.call("Heartbeat", { leases: due.map(job => job.lease) }, AbortSignal.timeout(5_000));
        due.forEach((job, i) => job.beaten(now, answer.states[i] ?? ""));
      } catch (error) {
        console.error(`No heartbeat gets through: ${messageOf(error)}`);
      }
    }
  }

  async #drain(): Promise<void> {
    await this.#untilIdle(this.#drainMs);
    for (const job of this.#jobs) {
      job.stop(); // its next step ends it
    }
    await this.#untilIdle(GRACE_MS);
    try {
      await this.#connection.call("Leave", { worker: this.name }, AbortSignal.timeout(5_000)); // hands back whatever is still under way
    } catch (error) {
      console.error(`The server does not know that the worker has left: ${messageOf(error)}`);
    }
  }

  async #untilIdle(longest: number): Promise<void> {
    const limit = new AbortController();
    await Promise.race([Promise.all(this.#running), pause(longest, limit.signal)]);
    limit.abort();
  }
}

/** Waits, or until it is aborted; neither is an error. */
async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal }).catch(() => {});
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => signal.aborted ? resolve() : signal.addEventListener("abort", () => resolve(), { once: true }));
}
