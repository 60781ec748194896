// Runs the official JavaScript client through vector stores and moderations and prints what it saw as one line of JSON.
import { counts, violations } from "../contract.mjs";
import OpenAI, { toFile } from "openai";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: process.argv[3], maxRetries: 0 });
const failure = async promise => { try { await promise; return null; } catch (e) { return { name: e.constructor.name, status: e.status, param: e.param, code: e.code, message: e.message }; } };
const seen = {};
const named = async (name, text) => toFile(Buffer.from(text), name);

// A store and its files.
const store = await client.vectorStores.create({ name: "handbook", description: "d", metadata: { k: "v" }, expires_after: { anchor: "last_active_at", days: 3 } });
seen.store = store;
const otters = await client.vectorStores.files.uploadAndPoll(store.id, await named("otters.md", "# Otters\n\nOtters hold hands while they sleep, so that they do not drift apart.\n"), { pollIntervalMs: 50 });
seen.otters = otters;
const basalt = await client.files.create({ file: await named("basalt.html", "<h1>Basalt</h1><p>Basalt is a <b>dark</b> volcanic rock &amp; very common.</p>"), purpose: "assistants" });
seen.basalt = await client.vectorStores.files.createAndPoll(store.id, { file_id: basalt.id, attributes: { year: 2026, kind: "rock", draft: false }, chunking_strategy: { type: "static", static: { max_chunk_size_tokens: 100, chunk_overlap_tokens: 20 } } }, { pollIntervalMs: 50 });
const pdf = await client.vectorStores.files.uploadAndPoll(store.id, await named("paper.pdf", "%PDF-1.7"), { pollIntervalMs: 50 });
seen.pdf = [pdf.status, pdf.last_error?.code];
seen.content = [];
for await (const part of client.vectorStores.files.content(basalt.id, { vector_store_id: store.id })) seen.content.push(part.text.trim());

// Searches.
const search = async (query, more = {}) => { const found = []; for await (const each of client.vectorStores.search(store.id, { query, ...more })) found.push(each); return found; };
seen.words = (await search("dark volcanic rock")).map(found => [found.filename, found.score, found.content[0].text]);
seen.filtered = (await search(["otters", "sleep"], { filters: { type: "and", filters: [{ type: "gte", key: "year", value: 2026 }, { type: "in", key: "kind", value: ["rock", "plant"] }] }, max_num_results: 5 })).map(found => found.filename);
seen.same = (await search("# Otters\n\nOtters hold hands while they sleep, so that they do not drift apart.\n", { ranking_options: { ranker: "none", score_threshold: 0.99 } })).map(found => [found.filename, found.score]);
seen.updated = (await client.vectorStores.files.update(basalt.id, { vector_store_id: store.id, attributes: { year: 1900 } })).attributes;
seen.filteredAgain = await search("otters", { filters: { type: "gt", key: "year", value: 1900 } });
seen.rewritten = await failure(search("a", { rewrite_query: true }));
seen.wrongFilter = await failure(search("a", { filters: { type: "like", key: "a", value: "b" } }));

// The tool that the server answers itself: the model must call it, then writes what it likes.
const tool = { type: "file_search", vector_store_ids: [store.id], max_num_results: 2, ranking_options: { ranker: "auto", score_threshold: 0 } };
const question = { model: "helix-tiny", input: "How do otters sleep?", tools: [tool], tool_choice: { type: "file_search" }, max_tool_calls: 1, max_output_tokens: 500, temperature: 1.5 };
let whole, seed = 0; // a small model: some of its queries are longer than its context
do whole = await client.responses.create({ ...question, seed: ++seed, include: ["file_search_call.results"] });
while (whole.output.length < 2 && seed < 30);
seen.searched = [whole.output[0].type, whole.output[0].status, whole.output[0].queries.length > 0, whole.output[0].results?.map(found => Object.keys(found).sort().join()), whole.output.at(-1).type];
seen.tool = whole.tools[0];
const streamed = [];
let final;
for await (const event of await client.responses.create({ ...question, seed, stream: true })) {
  if (streamed.at(-1) !== event.type) streamed.push(event.type);
  final = event.response ?? final;
}
seen.streamed = streamed;
seen.hidden = final.output[0].results;
seen.items = (await Array.fromAsync(client.responses.inputItems.list((await client.responses.create({ model: "helix-tiny", input: "And basalt?", previous_response_id: whole.id, max_output_tokens: 16 })).id, { order: "asc", include: ["file_search_call.results"] }))).map(item => [item.type, item.results?.length]);
const plain = await client.files.create({ file: await named("plain.txt", "Plain text."), purpose: "user_data" });
seen.file = (await client.responses.create({ model: "helix-tiny", input: [{ role: "user", content: [{ type: "input_file", file_id: plain.id }, { type: "input_text", text: "Sum up." }] }], max_output_tokens: 16 })).object;
seen.chatFile = (await client.chat.completions.create({ model: "helix-tiny", messages: [{ role: "user", content: [{ type: "file", file: { file_id: plain.id } }] }], max_completion_tokens: 4 })).object;
seen.pdfFile = await failure(client.responses.create({ model: "helix-tiny", input: [{ role: "user", content: [{ type: "input_file", file_id: pdf.id }] }] }));
seen.noSuchStore = await failure(client.responses.create({ ...question, tools: [{ ...tool, vector_store_ids: ["vs_none"] }] }));

// Batches.
const many = await Promise.all([0, 1, 2].map(async i => client.files.create({ file: await named(`n${i}.txt`, `Number ${i} is here.`), purpose: "assistants" })));
const batch = await client.vectorStores.fileBatches.createAndPoll(store.id, { file_ids: many.map(file => file.id) }, { pollIntervalMs: 50 });
seen.batch = [batch.status, batch.file_counts];
seen.listed = [];
for await (const file of client.vectorStores.fileBatches.listFiles(batch.id, { vector_store_id: store.id, limit: 2, order: "asc" })) seen.listed.push(file.id);
seen.expected = many.map(file => file.id);
seen.cancelled = (await client.vectorStores.fileBatches.cancel(batch.id, { vector_store_id: store.id })).status;
seen.failed = [];
for await (const file of client.vectorStores.files.list(store.id, { filter: "failed" })) seen.failed.push(file.id === pdf.id);

// What is left.
seen.changed = (await client.vectorStores.update(store.id, { name: "other", expires_after: null })).name;
seen.now = await client.vectorStores.retrieve(store.id);
seen.removed = await client.vectorStores.files.delete(otters.id, { vector_store_id: store.id });
await client.files.delete(basalt.id);
seen.gone = await failure(client.vectorStores.files.retrieve(basalt.id, { vector_store_id: store.id }));
seen.all = [];
for await (const each of client.vectorStores.list({ limit: 1 })) seen.all.push(each.id);
seen.deleted = await client.vectorStores.delete(store.id);
seen.noStore = await failure(client.vectorStores.retrieve(store.id));
seen.moderation = await failure(client.moderations.create({ input: "x" }));

await new Promise(resolve => setTimeout(resolve, 100)); // answers are checked as they are read
seen.violations = violations;
seen.responses = counts.responses;
console.log(JSON.stringify(seen));
