// Runs the official JavaScript client through responses, conversations and stored chat completions, and prints what it saw as one line of JSON.
import "../contract.mjs";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: process.argv[3], maxRetries: 0 });
const model = "helix-tiny";
const failure = async promise => { try { await promise; return null; } catch (e) { return { status: e.status, code: e.code, param: e.param, message: e.message }; } };
const all = async page => { const items = []; for await (const item of page) items.push(item); return items; };
const seen = {};

const whole = await client.responses.create({ model, input: "What is HelixFlow?", metadata: { a: "b" } });
seen.whole = { status: whole.status, text: whole.output_text, usage: whole.usage, metadata: whole.metadata };
seen.same = JSON.stringify((await client.responses.retrieve(whole.id)).output) === JSON.stringify(whole.output);
seen.cut = (await client.responses.create({ model, input: "What is HelixFlow?", max_output_tokens: 16 })).incomplete_details.reason;
seen.logprobs = (await client.responses.create({ model, input: "Hello", max_output_tokens: 16, top_logprobs: 2, include: ["message.output_text.logprobs"] })).output[0].content[0].logprobs[0].top_logprobs.length;

// The client's own accumulator, which is strict about the order of events.
const stream = client.responses.stream({ model, input: "What is HelixFlow?" });
seen.types = [];
seen.deltas = "";
stream.on("event", event => { if (seen.types.at(-1) !== event.type) seen.types.push(event.type); });
stream.on("response.output_text.delta", event => { seen.deltas += event.delta; });
const final = await stream.finalResponse();
seen.final = [final.status, final.output_text];

seen.resumed = "";
let numbers = [];
for await (const event of await client.responses.retrieve(final.id, { stream: true, starting_after: 4 })) {
  numbers.push(event.sequence_number);
  if (event.type === "response.output_text.delta") seen.resumed += event.delta;
}
seen.numbers = [numbers[0], numbers.at(-1) - numbers[0] + 1 === numbers.length];

const format = { type: "json_schema", name: "answer", strict: true, schema: { type: "object", properties: { yes: { type: "boolean" } }, required: ["yes"], additionalProperties: false } };
seen.parsed = typeof (await client.responses.parse({ model, input: "Is 2 + 2 = 4?", text: { format } })).output_parsed.yes;

const next = await client.responses.create({ model, input: "And what else?", previous_response_id: whole.id, max_output_tokens: 16 });
seen.inputs = (await all(client.responses.inputItems.list(next.id, { order: "asc", limit: 1 }))).map(item => item.role);
seen.tokens = await client.responses.inputTokens.count({ model, input: "What is HelixFlow?" });

const background = await client.responses.create({ model, input: "What is HelixFlow?", background: true });
seen.background = background.status;
let later = background;
for (let i = 0; i < 600 && ["queued", "in_progress"].includes(later.status); i++) {
  await new Promise(resolve => setTimeout(resolve, 50));
  later = await client.responses.retrieve(background.id);
}
seen.later = [later.status, later.output_text === whole.output_text];
const followed = await client.responses.create({ model, input: "What is HelixFlow?", background: true, stream: true });
let followedId, last;
for await (const event of followed) { followedId ??= event.response?.id; last = event.sequence_number; if (event.type === "response.output_text.delta") break; }
seen.followed = [];
for await (const event of await client.responses.retrieve(followedId, { stream: true, starting_after: last })) seen.followed = [event.type, event.response?.output_text ?? event.response?.output?.[0].content[0].text];
const cancelled = await client.responses.create({ model, input: "What is HelixFlow?", background: true });
seen.cancelled = ["cancelled", "completed"].includes((await client.responses.cancel(cancelled.id)).status);
await client.responses.delete(whole.id);
seen.deleted = await failure(client.responses.retrieve(whole.id));

const conversation = await client.conversations.create({ metadata: { topic: "a" }, items: [{ type: "message", role: "user", content: "Hello" }] });
await client.responses.create({ model, input: "What is HelixFlow?", conversation: conversation.id });
const items = await all(client.conversations.items.list(conversation.id, { order: "asc", limit: 2 }));
seen.conversation = items.map(item => item.role);
seen.item = (await client.conversations.items.retrieve(items[0].id, { conversation_id: conversation.id })).content[0].text;
await client.conversations.items.create(conversation.id, { items: [{ type: "message", role: "user", content: "More" }] });
await client.conversations.items.delete(items[0].id, { conversation_id: conversation.id });
seen.updated = (await client.conversations.update(conversation.id, { metadata: { topic: "b" } })).metadata.topic;
seen.retrieved = (await client.conversations.retrieve(conversation.id)).metadata.topic;
seen.left = (await all(client.conversations.items.list(conversation.id))).length;
seen.gone = [(await client.conversations.delete(conversation.id)).deleted, (await failure(client.conversations.retrieve(conversation.id))).status];

const stored = await client.chat.completions.create({ model, store: true, metadata: { run: conversation.id }, messages: [{ role: "user", content: "Hello" }], max_completion_tokens: 4 });
seen.listed = (await all(client.chat.completions.list({ metadata: { run: conversation.id }, limit: 1 }))).map(item => item.id === stored.id);
seen.stored = (await client.chat.completions.retrieve(stored.id)).choices[0].message.content === stored.choices[0].message.content;
seen.relabelled = (await client.chat.completions.update(stored.id, { metadata: { run: "x" } })).metadata.run;
seen.messages = (await all(client.chat.completions.messages.list(stored.id))).map(message => message.content);
seen.dropped = [(await client.chat.completions.delete(stored.id)).deleted, (await failure(client.chat.completions.retrieve(stored.id))).code];

seen.errors = {
  tool: await failure(client.responses.create({ model, input: "x", tools: [{ type: "web_search" }] })),
  model: await failure(client.responses.create({ model: "nope", input: "x" })),
  context: await failure(client.responses.create({ model, input: "word ".repeat(3000), stream: true })),
};
console.log(JSON.stringify(seen));
