// A job, to the code that does it.

import { status } from "@grpc/grpc-js";
import { setTimeout as sleep } from "node:timers/promises";
import type { Claim, Connection, Lease, Methods, Run } from "./protocol.js";

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/**
 * What repeating a step would do; it decides what becomes of the step when its worker is lost.
 * - `recorded`: asks the world; asked again only when the answer was not recorded
 * - `pure`: a function of its input; other jobs of the project may use its output
 * - `idempotent`: repeating it with the same key changes nothing
 * - `unsafe`: never repeated; the job is parked until somebody decides
 */
export type Effect = "recorded" | "pure" | "idempotent" | "unsafe";

/** The job cannot succeed however often it is tried, for example because its input is wrong. */
export class JobFailed extends Error {
  constructor(readonly code: string, message: string) {
    super(message);
  }
}

/** A question to a model. */
export interface ModelUsage {
  model: string;
  promptTokens: number;
  completionTokens: number;
}

/** Another job that is wanted. */
export interface ChildRequest {
  type: string;
  input: Json;
}

/** Another job that was done for this one. */
export interface Child {
  id: string;
  /** `succeeded`, `cancelled` or `dead`. */
  state: string;
  /** null unless it has succeeded. */
  output: any;
  /** What went wrong, otherwise. */
  error: string | null;
}

/** Nobody knows what became of an unsafe step, or the code was changed while the job was under way. The message says which. */
export class StepInDoubt extends Error {}

/** The job's code is to end here: it has lost the job, waits, or was told to stop. Let it pass. */
export class Interrupted extends Error {
  constructor(readonly reason: "lost" | "suspended" | "stopped") {
    super(`The job ends here: ${reason}.`);
  }
}

const LONGEST_BEAT_MS = 2_000;
const ENDED: Record<string, string> = { RUN_STATE_SUCCEEDED: "succeeded", RUN_STATE_CANCELLED: "cancelled", RUN_STATE_DEAD: "dead" };

/** One attempt at a job. Its steps may run at the same time. */
export class Job {
  /** What the job works on. */
  readonly input: any;
  readonly lease: Lease;
  readonly #connection: Connection;
  readonly #run: Run;
  readonly #leaseMs: number;
  readonly #openedAt = performance.now();
  readonly #stop = new AbortController();
  #leaseEnds: number;
  #isLost = false;
  #isCancelled = false;

  private constructor(connection: Connection, claim: Claim, claimedAt: number, input: Json) {
    this.#connection = connection;
    this.#run = claim.run;
    this.#leaseMs = Number(claim.run.options.leaseMs);
    this.#leaseEnds = claimedAt + this.#leaseMs;
    this.lease = claim.lease;
    this.input = input;
  }

  /** @internal */
  static async open(connection: Connection, claim: Claim, claimedAt: number): Promise<Job> {
    const input = claim.inputJson.length > 0 ? claim.inputJson : await connection.readValue(claim.run.input);
    return new Job(connection, claim, claimedAt, parse(input));
  }

  get id(): string {
    return this.#run.id;
  }

  /** On whose account it is done. */
  get project(): string {
    return this.#run.project;
  }

  /** 1 for the first one. */
  get attempt(): number {
    return this.#run.attempt;
  }

  /** The caller's own words about it. */
  get labels(): Readonly<Record<string, string>> {
    return this.#run.labels;
  }

  /** Aborted when the code should end soon; it does at its next step by itself. For fetch and other calls that take long. */
  get signalToStop(): AbortSignal {
    return this.#stop.signal;
  }

  get shouldStop(): boolean {
    return this.#stop.signal.aborted || this.#hasLost();
  }

  /** The same whenever the step at this address of this job is done: it makes requests to other services idempotent. */
  key(address: string): string {
    return `${this.id}/${address}`;
  }

  /**
   * Does a step, or returns what it had returned. The address is the step's place in the job, from the code's structure and its data (`part/3`),
   * and is used once. Raise the version when the same input should give another output. When the step asks a model, `usage` says by its output what
   * that has cost: it counts for the job.
   */
  async step<I extends Json, O extends Json>(
    address: string, act: (input: I) => O | Promise<O>, input: I, options: { name?: string; version?: number; effect?: Effect; usage?: (output: O) => ModelUsage } = {},
  ): Promise<O> {
    this.#check();
    const effect = `EFFECT_${(options.effect ?? "recorded").toUpperCase()}`;
    const executor = options.name ?? (act.name || "step");
    const asked = performance.now();
    const answer = await this.#write("GetStep", { lease: this.lease, address, executor, version: options.version ?? 1, effect, inputJson: bytes(input) });
    if (answer.outcome !== "executeKey") {
      return parse(answer.outcome === "outputJson" ? answer.outputJson : await this.#connection.readValue(answer.output));
    }

    if (options.effect === "unsafe" && performance.now() - asked > this.#leaseMs / 3) {
      await this.#beat(); // a process that was paused may have lost the job before it knows: the effect must not begin then
    }

    const startedAt = this.#journalNow();
    let output: O;
    try {
      output = await act(input);
    } catch (error) {
      if (options.effect !== "unsafe" && !(error instanceof Interrupted)) {
        await this.#write("FailStep", { lease: this.lease, address, digest: answer.digest, error: { code: "step_failed", message: messageOf(error) } });
      }
      throw error;
    }

    // What was done is recorded although the code may be about to end: it must not be done again.
    await this.#write("PutStep", { lease: this.lease, address, digest: answer.digest, effect, outputJson: bytes(output), startedAt, usage: options.usage?.(output) });
    return output;
  }

  /** Tells how far the job is: 0 to 100, and what it does now, for people. */
  async progress(percent: number, message = ""): Promise<void> {
    this.#check();
    await this.#write("ReportProgress", { lease: this.lease, percent: Math.floor(percent), message });
  }

  /** Keeps a file that the job has made, under a name that clients ask for; its hash. The content is the same each time that the code runs. */
  async artifact(name: string, content: Uint8Array, contentType = "application/octet-stream"): Promise<string> {
    this.#check();
    return (await this.#repeat(() => this.#connection.putArtifact(this.lease, name, content, contentType))).hash;
  }

  /** What is in a file that the job, or the child with this id, has made; null when there is none of the name. */
  async readArtifact(name: string, child?: string): Promise<Buffer | null> {
    this.#check();
    const { hash } = await this.#write("FindArtifact", { project: this.project, runId: child ?? this.id, name });
    return hash ? this.#connection.readValue(hash) : null;
  }

  /** What is in a file that the job's input names as `{"artifact": hash}`. */
  async readFile(hash: string): Promise<Buffer> {
    this.#check();
    if ((await this.#write("FindValue", { project: this.project, runId: this.id, hash }))._length === undefined) {
      throw new JobFailed("unknown_artifact", `The job has no file ${hash}.`);
    }
    return this.#connection.readValue(hash);
  }

  /**
   * Asks people something, shown with the job until somebody answers; the answer. The job holds no worker while it waits. When nobody has answered after
   * `expiresMs`, the answer is `{ decision: "reject", expired: true, … }`; with `fail` the job fails instead.
   */
  async ask(address: string, question: Json, options: { expiresMs?: number; fail?: boolean } = {}): Promise<any> {
    this.#check();
    const request = { lease: this.lease, address, questionJson: bytes(question), expiresMs: options.expiresMs ?? 0, failsOnExpiry: options.fail ?? false };
    const answer = await this.signal(address, (await this.#write("Ask", request)).signal) as any;
    if (options.fail && answer?.expired === true) {
      throw new JobFailed("question_expired", `Nobody has answered in time what the job asks at ${address}.`);
    }
    return answer;
  }

  /** What somebody tells the job: an approval, a file that has come. The job holds no worker while it waits. */
  async signal(address: string, name: string): Promise<Json> {
    this.#check();
    const answer = await this.#write("TakeSignal", { lease: this.lease, name, address });
    return answer._bodyJson === undefined ? this.#suspend({ signals: [name] }) : parse(answer.bodyJson!);
  }

  /** Waits for a time, counted from the first time that the code comes here. The job holds no worker meanwhile. */
  async delay(address: string, milliseconds: number): Promise<void> {
    const due = await this.step(address, (wait: number) => this.#journalNow() + wait, Math.floor(milliseconds), { name: "wait" });
    if (this.#journalNow() < due) {
      await this.#suspend({ until: due });
    }
  }

  /** Has other jobs done, at the same time, and waits for all of them. Returns the children in the order of the requests. */
  async children(address: string, requests: ChildRequest[]): Promise<Child[]> {
    const answers = await this.#start(address, requests);
    if (answers.some(answer => !ENDED[answer.run.state])) {
      return this.#suspend({ runs: answers.map(answer => answer.run.id) });
    }
    return Promise.all(answers.map(answer => this.#childOf(answer)));
  }

  /** Has other jobs begun, and waits for none of them: `children` with the same address and requests waits for these. Returns their ids. */
  async startChildren(address: string, requests: ChildRequest[]): Promise<string[]> {
    return (await this.#start(address, requests)).map(answer => answer.run.id);
  }

  /** Has other jobs done and gives each as soon as it has ended, with its number among the requests. */
  async *childrenAsTheyEnd(address: string, requests: ChildRequest[]): AsyncGenerator<[number, Child]> {
    const answers = await this.#start(address, requests);
    const left = new Set(answers.keys());
    for (let i = 0; i < answers.length; i++) {
      const ended = [...left].filter(child => ENDED[answers[child]!.run.state]).sort((a, b) => Number(answers[a]!.run.endedAt) - Number(answers[b]!.run.endedAt) || a - b);
      if (ended.length === 0) {
        await this.#suspend({ runs: [...left].map(child => answers[child]!.run.id), anyRun: true });
      }
      // Which one was next is recorded: when the code runs again more have ended.
      const child = await this.step(`${address}/ended/${i}`, () => ended[0]!, 0, { name: "next-ended" });
      left.delete(child);
      yield [child, await this.#childOf(answers[child]!)];
    }
  }

  // What the worker does with it.

  /** @internal */
  async complete(output: Json): Promise<void> {
    await this.#write("Complete", { lease: this.lease, outputJson: bytes(output) });
  }

  /** @internal */
  async fail(code: string, message: string, isFinal: boolean, details?: Json): Promise<void> {
    const detailsJson = details === undefined ? Buffer.alloc(0) : bytes(details);
    await this.#write("Fail", { lease: this.lease, error: { code, message, detailsJson }, isFinal });
  }

  /** @internal Ends a job whose code was told to stop. */
  async end(): Promise<void> {
    await this.#write(this.#isCancelled ? "Cancelled" : "HandBack", { lease: this.lease });
  }

  /** @internal */
  stop(): void {
    this.#stop.abort();
  }

  /** @internal When the next heartbeat is due: at a third of the lease, and soon enough to hear of a cancellation. */
  get beatAt(): number {
    return this.#leaseEnds - this.#leaseMs + Math.min(this.#leaseMs / 3, LONGEST_BEAT_MS);
  }

  /** @internal A heartbeat was answered. */
  beaten(sentAt: number, state: string): void {
    if (state === "LEASE_STATE_HELD" || state === "LEASE_STATE_CANCEL_REQUESTED") {
      this.#leaseEnds = sentAt + this.#leaseMs;
      this.#isCancelled ||= state === "LEASE_STATE_CANCEL_REQUESTED";
    } else {
      this.#isLost = true;
    }
    if (this.#isCancelled || this.#isLost) {
      this.#stop.abort();
    }
  }

  async #beat(): Promise<void> {
    const sentAt = performance.now();
    const answer = await this.#write("Heartbeat", { leases: [this.lease] });
    this.beaten(sentAt, answer.states[0] ?? "");
    this.#check();
  }

  #hasLost(): boolean {
    return this.#isLost || performance.now() > this.#leaseEnds;
  }

  #check(): void {
    if (this.shouldStop) {
      throw new Interrupted(this.#hasLost() ? "lost" : "stopped");
    }
  }

  // The clock of the journal, which may be another machine's: it is what the claim was stamped with.
  #journalNow(): number {
    return Number(this.#run.startedAt) + Math.floor(performance.now() - this.#openedAt);
  }

  /** Asks for children, or finds those that were asked for. */
  async #start(address: string, requests: ChildRequest[]): Promise<Methods["RequestChild"][1][]> {
    this.#check();
    const answers = await Promise.all(requests.map(({ type, input }, i) =>
      this.#write("RequestChild", { parent: this.id, project: this.project, address: `${address}/${i}`, type, inputJson: bytes(input) })));
    for (const { outcome, unknown } of answers) {
      if (outcome === "OUTCOME_CONFLICT") {
        throw new StepInDoubt(`At ${address} the job ${this.id} has asked for other children before.`);
      }
      if (outcome === "OUTCOME_UNKNOWN_RUN" || outcome === "OUTCOME_UNKNOWN_ARTIFACT") {
        throw new JobFailed("unknown_run", `At ${address} the job ${this.id} has asked for a job that refers to ${unknown}, which its project does not have.`);
      }
    }
    return answers;
  }

  async #childOf({ run, outputJson }: Methods["RequestChild"][1]): Promise<Child> {
    const output = outputJson.length > 0 ? outputJson : run.output ? await this.#connection.readValue(run.output) : null;
    return { id: run.id, state: ENDED[run.state]!, output: output && parse(output), error: run.error?.message ?? null };
  }

  async #suspend(until: { until?: number; signals?: string[]; runs?: string[]; anyRun?: boolean }): Promise<never> {
    await this.#write("Suspend", { lease: this.lease, ...until });
    throw new Interrupted("suspended");
  }

  #write<M extends keyof Methods>(method: M, request: Methods[M][0]): Promise<Methods[M][1]> {
    return this.#repeat(() => this.#connection.call(method, request));
  }

  // Again while the server cannot be reached and the job is this worker's.
  async #repeat<T>(call: () => Promise<T>): Promise<T> {
    for (let wait = 20; ; wait = Math.min(2 * wait, 2_000)) {
      try {
        return await call();
      } catch (error) {
        switch ((error as { code?: number }).code) {
          case status.UNAVAILABLE:
            if (this.#hasLost()) {
              throw new Interrupted("lost");
            }
            break;
          case status.ABORTED:
            this.#isLost = true;
            throw new Interrupted("lost");
          case status.FAILED_PRECONDITION:
            throw new StepInDoubt((error as { details: string }).details);
          default:
            throw error;
        }
      }
      await sleep(wait);
    }
  }
}

/** @internal */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error);
}

function bytes(value: Json | undefined): Buffer {
  return Buffer.from(JSON.stringify(value ?? null)); // what a function without a result returns is null
}

function parse(json: Buffer): any {
  return JSON.parse(json.toString("utf8"));
}
