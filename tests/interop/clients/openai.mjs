// Runs the official JavaScript client through everything that the server offers and prints what it saw as one line of JSON.
import "../contract.mjs";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: process.argv[3], maxRetries: 0 });
const model = "helix-tiny";
const ask = (content, more = {}) => client.chat.completions.create({ model, messages: [{ role: "user", content }], ...more });
const failure = async promise => { try { await promise; return null; } catch (e) { return { name: e.constructor.name, status: e.status, code: e.code, param: e.param, type: e.type, message: e.message }; } };
const seen = {};

seen.models = (await client.models.list()).data.map(m => m.id);
seen.model = (await client.models.retrieve(model)).id;
seen.whole = await ask("What is HelixFlow?");

seen.streamed = "";
seen.finishReasons = [];
for await (const chunk of await ask("What is HelixFlow?", { stream: true, stream_options: { include_usage: true } })) {
  seen.streamed += chunk.choices[0]?.delta?.content ?? "";
  if (chunk.choices[0]?.finish_reason) seen.finishReasons.push(chunk.choices[0].finish_reason);
  if (chunk.usage) seen.usage = chunk.usage;
}

// The client's own accumulator, which is strict about the order of chunks.
const runner = client.chat.completions.stream({ model, messages: [{ role: "user", content: "Hello" }] });
seen.accumulated = (await runner.finalChatCompletion()).choices[0].message.content;

seen.short = (await ask("What is HelixFlow?", { max_completion_tokens: 3 })).choices[0].finish_reason;
seen.stopped = (await ask("What is HelixFlow?", { stop: ["platform"] })).choices[0].message.content;
seen.two = (await ask("Hello", { n: 2 })).choices.map(c => [c.index, c.message.content]);
const sample = { temperature: 1.5, seed: 7, max_completion_tokens: 24 };
seen.seeded = [(await ask("Hello", sample)).choices[0].message.content, (await ask("Hello", sample)).choices[0].message.content];
seen.logprobs = (await ask("Hello", { logprobs: true, top_logprobs: 3, max_completion_tokens: 2 })).choices[0].logprobs.content;
const tools = [{ type: "function", function: { name: "get_weather", parameters: { type: "object", properties: { city: { type: "string" } } } } }];
const told = await ask("Hello", { tools, max_completion_tokens: 8 });
seen.tools = [told.usage.prompt_tokens - (await ask("Hello", { tools, tool_choice: "none", max_completion_tokens: 8 })).usage.prompt_tokens, typeof told.choices[0].message.content];
seen.forced = (await ask("Hello", { tools, tool_choice: "required", max_completion_tokens: 64 })).choices[0].message.tool_calls[0].function.name;
const call = { id: "call_1", type: "function", function: { name: "get_weather", arguments: '{"city":"Rome"}' } };
seen.results = (await client.chat.completions.create({ model, tools, max_completion_tokens: 4, messages: [{ role: "user", content: "x" }, { role: "assistant", tool_calls: [call] }, { role: "tool", tool_call_id: "call_1", content: "21" }] })).object;
seen.system = (await client.chat.completions.create({ model, messages: [{ role: "developer", content: "Be brief." }, { role: "user", content: [{ type: "text", text: "What is " }, { type: "text", text: "2 + 3?" }] }] })).choices[0].message.content;
seen.completion = await client.completions.create({ model, prompt: [1, 20, 30, 40], max_tokens: 4, logprobs: 2 });
seen.completions = (await client.completions.create({ model, prompt: ["One", "Two"], max_tokens: 2, n: 2 })).choices.map(c => c.index);
seen.completionStream = "";
for await (const chunk of await client.completions.create({ model, prompt: "The", max_tokens: 4, ignore_eos: true, stream: true })) seen.completionStream += chunk.choices[0].text;

seen.errors = {
  key: await failure(new OpenAI({ baseURL: process.argv[2], apiKey: "wrong", maxRetries: 0 }).models.list()),
  model: await failure(client.chat.completions.create({ model: "nope", messages: [{ role: "user", content: "x" }] })),
  param: await failure(ask("x", { temperature: 9 })),
  role: await failure(client.chat.completions.create({ model, messages: [{ role: "king", content: "x" }] })),
  context: await failure(ask("word ".repeat(3000))),
  forced: await failure(ask("x", { tool_choice: "required" })),
  tools: await failure(ask("x", { tools: [{ type: "function", function: { name: "no spaces", parameters: {} } }] })),
};

const controller = new AbortController();
try {
  for await (const _ of await ask("Write a long text", { stream: true, ignore_eos: true, max_completion_tokens: 900 })) { controller.abort(); break; }
} catch (e) { seen.abort = e.constructor.name; }
console.log(JSON.stringify(seen));
