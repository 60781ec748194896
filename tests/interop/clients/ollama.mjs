// Runs Ollama's official JavaScript client through everything that the server offers it and prints what it saw as one line of JSON.
import "../contract.mjs";
import { Ollama } from "ollama";

const host = new URL("/", process.argv[2]).toString();
const client = new Ollama({ host, headers: { Authorization: `Bearer ${process.argv[3]}` } });
const model = "helix-tiny";
const messages = [{ role: "user", content: "What is HelixFlow?" }];
const greedy = { temperature: 0, num_predict: 64 };
const failure = async promise => { try { await promise; return null; } catch (e) { return { name: e.name, status: e.status_code, message: e.message }; } };
const seen = {};

seen.version = (await client.version()).version;
seen.list = (await client.list()).models;
seen.show = await client.show({ model });
seen.loaded = await client.generate({ model, prompt: "" });
seen.ps = (await client.ps()).models;

seen.chat = await client.chat({ model, messages, options: greedy });
seen.streamed = "";
for await (const part of await client.chat({ model: model + ":latest", messages, options: greedy, stream: true })) {
  seen.streamed += part.message.content;
  seen.last = part;
}

seen.generated = (await client.generate({ model, prompt: "What is HelixFlow?", options: greedy })).response;
seen.generatedStream = "";
for await (const part of await client.generate({ model, prompt: "What is HelixFlow?", options: greedy, stream: true })) seen.generatedStream += part.response;
seen.raw = (await client.generate({ model, prompt: "The", raw: true, options: { num_predict: 4 } })).eval_count;
seen.short = (await client.chat({ model, messages, options: { num_predict: 3 } })).done_reason;
seen.stopped = (await client.chat({ model, messages, options: { ...greedy, stop: ["platform"] } })).message.content;
const sample = { temperature: 1.5, seed: 7, num_predict: 24 };
seen.seeded = [(await client.chat({ model, messages, options: sample })).message.content, (await client.chat({ model, messages, options: sample })).message.content];
seen.json = (await client.chat({ model, messages, format: "json", options: { num_predict: 8 } })).message.content;
const format = { type: "object", properties: { answer: { type: "boolean" } }, required: ["answer"], additionalProperties: false };
seen.structured = JSON.parse((await client.generate({ model, prompt: "Tell me", format, options: { temperature: 0, num_predict: 800 } })).response);
seen.logprobs = (await client.chat({ model, messages, logprobs: true, top_logprobs: 2, options: { num_predict: 2 } })).logprobs;
seen.embed = await client.embed({ model, input: ["a cat", "word ".repeat(3000)], dimensions: 4 });
seen.embedding = (await client.embeddings({ model, prompt: "a cat" })).embedding.length;
const tools = [{ type: "function", function: { name: "get_weather", description: "d", parameters: { type: "object", properties: { city: { type: "string" } } } } }];
seen.results = (await client.chat({
  model, tools, options: { num_predict: 4 }, messages: [
    ...messages,
    { role: "assistant", content: "", tool_calls: [{ function: { name: "get_weather", arguments: { city: "Rome" } } }] },
    { role: "tool", tool_name: "get_weather", content: "21" },
  ],
})).message.role;
seen.pulled = [];
for await (const part of await client.pull({ model, stream: true })) seen.pulled.push(part.status);

seen.errors = {
  key: await failure(new Ollama({ host }).list()),
  model: await failure(client.chat({ model: "nope", messages })),
  option: await failure(client.chat({ model, messages, options: { temperature: "hot" } })),
  think: await failure(client.chat({ model, messages, think: true })),
  context: await failure(client.generate({ model, prompt: "word ".repeat(3000) })),
  image: await failure(client.chat({ model, messages: [{ role: "user", content: "x", images: ["aGk="] }] })),
  pull: await failure(client.pull({ model: "llama3.2" })),
  create: await failure(client.create({ model: "x", from: model })),
  delete: await failure(client.delete({ model })),
  streamed: await failure(client.generate({ model: "nope", prompt: "x", stream: true })),
};

const long = await client.chat({ model, messages, options: { num_predict: 900 }, stream: true });
try {
  for await (const _ of long) long.abort();
  seen.abort = "ended";
} catch (e) { seen.abort = e.name; }
console.log(JSON.stringify(seen));
