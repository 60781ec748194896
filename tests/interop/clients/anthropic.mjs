// Runs Anthropic's official JavaScript client through everything that the server offers it and prints what it saw as one line of JSON.
import "../contract.mjs";
import Anthropic from "@anthropic-ai/sdk";

const baseURL = new URL("/", process.argv[2]).toString();
const client = new Anthropic({ baseURL, apiKey: process.argv[3], maxRetries: 0 });
const model = "helix-tiny";
const ask = (content, more = {}) => client.messages.create({ model, max_tokens: 64, temperature: 0, messages: [{ role: "user", content }], ...more });
const failure = async promise => { try { await promise; return null; } catch (e) { return { name: e.constructor.name, status: e.status, type: e.type, message: e.error?.error?.message, requestID: e.requestID }; } };
const seen = {};

seen.models = (await client.models.list()).data.map(m => [m.type, m.id, m.display_name]);
seen.model = (await client.models.retrieve(model)).id;
seen.whole = await ask("What is HelixFlow?");
seen.requestId = seen.whole._request_id;
seen.counted = (await client.messages.countTokens({ model, messages: [{ role: "user", content: "What is HelixFlow?" }] })).input_tokens;

// The client's own accumulator, which is strict about the order of events.
seen.deltas = "";
seen.events = [];
const stream = client.messages.stream({ model, max_tokens: 64, temperature: 0, messages: [{ role: "user", content: "What is HelixFlow?" }] });
stream.on("text", text => { seen.deltas += text; });
stream.on("streamEvent", event => { if (event.type !== "content_block_delta") seen.events.push(event.type); });
seen.streamed = await stream.finalMessage();

// Raw events, as a program without the accumulator reads them.
seen.raw = "";
for await (const event of await ask("What is HelixFlow?", { stream: true })) {
  if (event.type === "content_block_delta") seen.raw += event.delta.text;
}

seen.short = (await ask("What is HelixFlow?", { max_tokens: 3 })).stop_reason;
seen.huge = (await ask("What is HelixFlow?", { max_tokens: 20_000 })).stop_reason;
const stopped = await ask("What is HelixFlow?", { stop_sequences: ["platform"] });
seen.stopped = [stopped.stop_reason, stopped.stop_sequence, stopped.content[0].text];
const question = "What is HelixFlow made of? ".repeat(12);
const counts = usage => [usage.input_tokens, usage.cache_read_input_tokens];
seen.cached = [counts((await ask(question, { max_tokens: 2 })).usage), counts((await client.messages.stream({ model, max_tokens: 2, messages: [{ role: "user", content: question }] }).finalMessage()).usage)];
seen.system = (await ask([{ type: "text", text: "What is 2 + 3?" }], { system: [{ type: "text", text: "Be brief.", cache_control: { type: "ephemeral" } }] })).content[0].text;
const schema = { type: "object", properties: { answer: { type: "boolean" }, size: { enum: ["small", "large"] } }, required: ["answer", "size"], additionalProperties: false };
seen.structured = JSON.parse((await ask("Tell me", { output_config: { format: { type: "json_schema", schema } }, max_tokens: 800 })).content[0].text);
const tools = [{ name: "get_weather", description: "The weather of a city.", input_schema: { type: "object", properties: { city: { type: "string" } } } }];
seen.told = (await client.messages.countTokens({ model, tools, messages: [{ role: "user", content: "x" }] })).input_tokens
  - (await client.messages.countTokens({ model, messages: [{ role: "user", content: "x" }] })).input_tokens;
seen.results = (await client.messages.create({
  model, tools, max_tokens: 4, messages: [
    { role: "user", content: "How warm is it?" },
    { role: "assistant", content: [{ type: "text", text: "I look." }, { type: "tool_use", id: "toolu_1", name: "get_weather", input: { city: "Rome" } }] },
    { role: "user", content: [{ type: "tool_result", tool_use_id: "toolu_1", content: [{ type: "text", text: "21" }] }] },
  ],
})).type;
seen.bearer = (await new Anthropic({ baseURL, apiKey: null, authToken: process.argv[3], maxRetries: 0 }).models.list()).data.length;

seen.errors = {
  key: await failure(new Anthropic({ baseURL, apiKey: "wrong", maxRetries: 0 }).models.list()),
  model: await failure(client.messages.create({ model: "nope", max_tokens: 4, messages: [{ role: "user", content: "x" }] })),
  param: await failure(ask("x", { temperature: 9 })),
  missing: await failure(client.messages.create({ model, messages: [{ role: "user", content: "x" }] })),
  context: await failure(ask("word ".repeat(3000))),
  image: await failure(ask([{ type: "image", source: { type: "base64", media_type: "image/png", data: "aGk=" } }])),
  server: await failure(ask("x", { tools: [{ type: "web_search_20250305", name: "web_search" }] })),
  prefill: await failure(client.messages.create({ model, max_tokens: 4, messages: [{ role: "user", content: "x" }, { role: "assistant", content: "I" }] })),
  schema: await failure(ask("x", { output_config: { format: { type: "json_schema", schema: { type: "no such type" } } } })),
  streamed: await failure(client.messages.stream({ model: "nope", max_tokens: 4, messages: [{ role: "user", content: "x" }] }).finalMessage()),
  path: await failure(client.get("/v1/nothing")),
};

const long = client.messages.stream({ model, max_tokens: 900, messages: [{ role: "user", content: "Write a long text" }] });
long.on("text", () => long.abort());
seen.abort = (await failure(long.finalMessage()))?.name ?? "ended";
console.log(JSON.stringify(seen));
