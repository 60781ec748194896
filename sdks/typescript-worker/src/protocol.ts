// The worker protocol (schemas/proto/helixflow/agents/v1/worker.proto), as far as a worker needs it.

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as grpc from "@grpc/grpc-js";
import * as protoLoader from "@grpc/proto-loader";

const LARGEST_MESSAGE = 64 << 20;
const CHUNK = 256 << 10;
const FILE = "helixflow/agents/v1/worker.proto";

export interface Lease {
  runId: string;
  run: string;
  fence: string;
  worker: string;
}

export interface RunOptions {
  maxAttempts?: number;
  backoffMs?: number;
  maxBackoffMs?: number;
  leaseMs?: number;
  attemptTimeoutMs?: number;
  startTimeoutMs?: number;
}

export interface Run {
  id: string;
  project: string;
  type: string;
  state: string;
  input: string;
  output: string;
  options: RunOptions;
  labels: Record<string, string>;
  attempt: number;
  startedAt: string;
  endedAt: string;
  error: RunError | null;
}

export interface Claim {
  lease: Lease;
  run: Run;
  inputJson: Buffer;
}

export interface RunError {
  code: string;
  message: string;
  detailsJson?: Buffer;
}

/** The methods, with what is asked and answered. Numbers of 64 bits are strings. */
export interface Methods {
  Register: [{ worker: string; host: string; slots: number; program: string; types: object[] }, { againAfterMs: string }];
  Leave: [{ worker: string }, { handedBack: number }];
  Claim: [{ worker: string; types: { type: string; most: number }[]; most: number; waitMs: number }, { claims: Claim[]; waitedMs: string }];
  Heartbeat: [{ leases: Lease[] }, { states: string[] }];
  GetStep: [
    { lease: Lease; address: string; executor: string; version: number; effect: string; inputJson: Buffer },
    { digest: string; outcome: "outputJson" | "output" | "executeKey"; outputJson: Buffer; output: string },
  ];
  PutStep: [{ lease: Lease; address: string; digest: string; effect: string; outputJson: Buffer; startedAt: number; usage?: object | undefined }, object];
  FailStep: [{ lease: Lease; address: string; digest: string; error: RunError }, object];
  ReportProgress: [{ lease: Lease; percent: number; message: string }, object];
  TakeSignal: [{ lease: Lease; name: string; address: string }, { bodyJson?: Buffer; _bodyJson?: string }];
  Ask: [{ lease: Lease; address: string; questionJson: Buffer; expiresMs: number; failsOnExpiry: boolean }, { signal: string }];
  FindArtifact: [{ project: string; runId: string; name: string }, { hash: string }];
  FindValue: [{ project: string; runId: string; hash: string }, { length?: string; _length?: string }];
  RequestChild: [{ parent: string; project: string; address: string; type: string; inputJson: Buffer }, { run: Run; outputJson: Buffer; outcome: string; unknown: string }];
  Suspend: [{ lease: Lease; until?: number; signals?: string[]; runs?: string[]; anyRun?: boolean }, object];
  Complete: [{ lease: Lease; outputJson: Buffer }, object];
  Fail: [{ lease: Lease; error: RunError; isFinal: boolean }, object];
  Cancelled: [{ lease: Lease }, object];
  HandBack: [{ lease: Lease }, object];
}

/** The protocol's methods on a channel. */
export class Connection {
  readonly #client: grpc.Client & Record<string, Function>;
  readonly #key = new grpc.Metadata();

  constructor(url: string, key: string) {
    const address = new URL(url);
    const isSecure = address.protocol === "https:";
    const definition = protoLoader.loadSync(FILE, { includeDirs: [protoFolder()], longs: String, enums: String, defaults: true, oneofs: true });
    const { Workers } = (grpc.loadPackageDefinition(definition) as any).helixflow.agents.v1;
    this.#client = new Workers(
      `${address.hostname}:${address.port || (isSecure ? 443 : 80)}`,
      isSecure ? grpc.credentials.createSsl() : grpc.credentials.createInsecure(),
      { "grpc.max_receive_message_length": LARGEST_MESSAGE, "grpc.keepalive_time_ms": 10_000, "grpc.keepalive_timeout_ms": 10_000, "grpc.max_reconnect_backoff_ms": 2_000 },
    );
    this.#key.set("authorization", `Bearer ${key}`);
  }

  /** Calls a method; the signal ends the call. Rejects with a grpc.ServiceError. */
  call<M extends keyof Methods>(method: M, request: Methods[M][0], signal?: AbortSignal): Promise<Methods[M][1]> {
    return new Promise((resolve, reject) => {
      const call: grpc.ClientUnaryCall = this.#client[method]!(request, this.#key, (error: grpc.ServiceError | null, response: Methods[M][1]) => {
        signal?.removeEventListener("abort", cancel);
        error ? reject(error) : resolve(response);
      });
      const cancel = () => call.cancel();
      signal?.addEventListener("abort", cancel);
      if (signal?.aborted) {
        cancel();
      }
    });
  }

  /** Keeps a file. */
  putArtifact(lease: Lease, name: string, content: Uint8Array, contentType: string): Promise<{ hash: string }> {
    return new Promise((resolve, reject) => {
      const call: grpc.ClientWritableStream<object> = this.#client["PutArtifact"]!(this.#key, (error: grpc.ServiceError | null, response: { hash: string }) =>
        error ? reject(error) : resolve(response));
      call.write({ header: { lease, name, contentType } });
      for (let at = 0; at < content.length; at += CHUNK) {
        call.write({ content: content.subarray(at, at + CHUNK) });
      }
      call.end();
    });
  }

  /** A value that was too large to be sent along. */
  async readValue(hash: string): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of this.#client["ReadValue"]!({ hash }, this.#key) as AsyncIterable<{ content: Buffer }>) {
      chunks.push(chunk.content);
    }
    return Buffer.concat(chunks);
  }

  close(): void {
    this.#client.close();
  }
}

// Beside a package that was published, or in the source checkout.
function protoFolder(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    for (const candidate of [join(folder, "proto"), join(folder, "schemas/proto")]) {
      if (existsSync(join(candidate, FILE))) {
        return candidate;
      }
    }
    if (folder === dirname(folder)) {
      throw new Error(`${FILE} is not there: copy schemas/proto into the package as proto`);
    }
  }
}
