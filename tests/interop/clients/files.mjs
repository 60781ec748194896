// Runs the official JavaScript client through files, uploads and batches and prints what it saw as one line of JSON.
import "../contract.mjs";
import { createHash } from "node:crypto";
import Ajv from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import OpenAI, { toFile } from "openai";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: process.argv[3], maxRetries: 0 });
const model = "helix-tiny";
const failure = async promise => { try { await promise; return null; } catch (e) { return { name: e.constructor.name, status: e.status, param: e.param, message: e.message }; } };
const seen = {};

const request = (id, body) => JSON.stringify({ custom_id: id, method: "POST", url: "/v1/chat/completions", body: { model, ...body } });
const ask = (content, more = {}) => ({ messages: [{ role: "user", content }], max_completion_tokens: 4, ...more });
const upload = async (text, name = "input.jsonl", more = {}) => client.files.create({ file: await toFile(Buffer.from(text), name), purpose: "batch", ...more });
const text = async id => (await client.files.content(id)).text();

// Files.
const file = await upload("one\ntwo\n", "grüße.jsonl", { expires_after: { anchor: "created_at", seconds: 7200 } });
seen.file = file;
seen.retrieved = await client.files.retrieve(file.id);
seen.content = await text(file.id);
const more = [await upload("a"), await upload("b"), await upload("c")];
seen.listed = [];
for await (const each of client.files.list({ limit: 2, order: "asc", purpose: "batch" })) seen.listed.push(each.id);
seen.expected = [file, ...more].map(f => f.id);
seen.deleted = await client.files.delete(file.id);
seen.gone = await failure(client.files.retrieve(file.id));
seen.purpose = await failure(client.files.create({ file: await toFile(Buffer.from("x"), "x.txt"), purpose: "world_domination" }));

// An upload in parts, sent at the same time and in another order than they have in the file.
const whole = "0123456789".repeat(1000);
const created = await client.uploads.create({ filename: "parts.txt", purpose: "user_data", bytes: whole.length, mime_type: "text/plain" });
const [late, early] = await Promise.all([whole.slice(4000), whole.slice(0, 4000)].map(async part => client.uploads.parts.create(created.id, { data: await toFile(Buffer.from(part), "part") })));
const completed = await client.uploads.complete(created.id, { part_ids: [early.id, late.id], md5: createHash("md5").update(whole).digest("hex") });
seen.upload = [created.status, completed.status, completed.file.bytes, (await text(completed.file.id)) === whole];
seen.cancelledUpload = (await client.uploads.cancel((await client.uploads.create({ filename: "x", purpose: "user_data", bytes: 5, mime_type: "text/plain" })).id)).status;

// A batch from its input to its results.
const ended = async id => {
  for (; ;) {
    const batch = await client.batches.retrieve(id);
    if (["completed", "failed", "expired", "cancelled"].includes(batch.status)) return batch;
    await new Promise(resolve => setTimeout(resolve, 50));
  }
};
const results = async id => id ? (await text(id)).trim().split("\n").map(JSON.parse) : [];
const input = await upload([request("a", ask("Hello")), request("b", ask("Hello", { temperature: 9 })), request("c", ask("Hello"))].join("\n"));
const batch = await client.batches.create({ input_file_id: input.id, endpoint: "/v1/chat/completions", completion_window: "24h", metadata: { job: "nightly" } });
seen.created = batch;
seen.done = await ended(batch.id);
seen.output = await results(seen.done.output_file_id);
seen.errors = await results(seen.done.error_file_id);
seen.direct = await client.chat.completions.create({ model, ...ask("Hello") });
seen.batches = [];
for await (const each of client.batches.list({ limit: 1 })) seen.batches.push(each.id);

// A wrong one, and one that is cancelled.
const wrong = await upload("{\n");
seen.failed = await ended((await client.batches.create({ input_file_id: wrong.id, endpoint: "/v1/chat/completions", completion_window: "24h" })).id);
const long = await upload(Array.from({ length: 2000 }, (_, i) => request(`r${i}`, ask("Hello", { max_completion_tokens: 200, ignore_eos: true }))).join("\n"));
const big = await client.batches.create({ input_file_id: long.id, endpoint: "/v1/chat/completions", completion_window: "24h" });
while ((await client.batches.retrieve(big.id)).request_counts.total === 0) await new Promise(resolve => setTimeout(resolve, 20));
seen.cancelling = (await client.batches.cancel(big.id)).status;
const cancelled = await ended(big.id);
seen.cancelled = [cancelled.status, cancelled.request_counts, (await results(cancelled.output_file_id)).length, (await results(cancelled.error_file_id)).length];
seen.again = await failure(client.batches.cancel(big.id));

// All of it as the server describes itself.
const ajv = addFormats(new Ajv({ strict: false, allErrors: true }));
ajv.addFormat("binary", true);
ajv.addSchema(await (await fetch(new URL("/openapi.json", process.argv[2]))).json(), "api");
const raw = async path => (await fetch(new URL(path, process.argv[2]), { headers: { Authorization: `Bearer ${process.argv[3]}` } })).json();
const objects = [
  ["File", file], ["File", completed.file], ["FileList", await raw("/v1/files")], ["FileList", await raw("/v1/files?purpose=none")], ["DeletedFile", seen.deleted],
  ["Upload", created], ["Upload", completed], ["UploadPart", early], ["BatchList", await raw("/v1/batches")], ["Batch", batch], ["Batch", seen.done], ["Batch", seen.failed],
  ["Batch", cancelled], ...seen.output.map(line => ["BatchResultLine", line]), ...seen.errors.map(line => ["BatchResultLine", line]),
  ...(await results(cancelled.error_file_id)).map(line => ["BatchResultLine", line]),
];
seen.validated = objects.length;
seen.invalid = objects.filter(([name, object]) => !ajv.validate(`api#/components/schemas/${name}`, object)).map(([name]) => [name, ajv.errorsText()]);
console.log(JSON.stringify(seen));
