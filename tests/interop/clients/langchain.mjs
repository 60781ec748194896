// Runs LangChain's client for OpenAI through messages, streams, structured output, tools and embeddings, and prints what it saw as one line of JSON.
// The model is small, so that calls are forced and objects are held to schemas that bound them.
import "../contract.mjs";
import { AIMessage, HumanMessage, SystemMessage, ToolMessage } from "@langchain/core/messages";
import { ChatPromptTemplate } from "@langchain/core/prompts";
import { tool } from "@langchain/core/tools";
import { ChatOpenAI, OpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { z } from "zod";

const configuration = { baseURL: process.argv[2] };
const common = { model: "helix-tiny", apiKey: process.argv[3], configuration, maxRetries: 0 };
const chat = new ChatOpenAI({ ...common, temperature: 0 });
const prompt = "What is HelixFlow?";
const failure = async promise => { try { await promise; return null; } catch (e) { return { name: e.constructor.name, status: e.status, code: e.code, message: e.message }; } };
const seen = {};

const whole = await chat.invoke(prompt);
seen.whole = { text: whole.text, usage: whole.usage_metadata, finish: whole.response_metadata.finish_reason };
seen.streamed = "";
for await (const chunk of await chat.stream(prompt)) {
  seen.streamed += chunk.text;
  if (chunk.usage_metadata) seen.streamedUsage = chunk.usage_metadata;
}
seen.batch = (await chat.batch([prompt, "Hello"])).map(answer => answer.text.length > 0);
seen.template = (await ChatPromptTemplate.fromMessages([["system", "Be brief."], ["human", "What is {a} + {b}?"]]).pipe(chat).invoke({ a: 2, b: 3 })).text;
seen.cut = (await new ChatOpenAI({ ...common, maxTokens: 3 }).invoke(prompt)).response_metadata.finish_reason;
seen.stopped = (await chat.invoke(prompt, { stop: ["platform"] })).text;
seen.logprobs = (await new ChatOpenAI({ ...common, logprobs: true, topLogprobs: 2, maxTokens: 2 }).invoke(prompt)).response_metadata.logprobs.content.length;

// The same through the Responses API.
const responses = new ChatOpenAI({ ...common, temperature: 0, useResponsesApi: true });
seen.response = (await responses.invoke(prompt)).text;
seen.responseStream = "";
for await (const chunk of await responses.stream(prompt)) seen.responseStream += chunk.text;

const schema = z.object({ kind: z.enum(["hotel", "flat"]), nights: z.number().int().min(1).max(30), breakfast: z.boolean() });
seen.objects = {};
for (const method of ["jsonSchema", "functionCalling"]) seen.objects[method] = await chat.withStructuredOutput(schema, { name: "booking", method, strict: true }).invoke("Book a room.");
seen.objects.response = await responses.withStructuredOutput(schema, { name: "booking", method: "jsonSchema", strict: true }).invoke("Book a room.");
const raw = await chat.withStructuredOutput(schema, { name: "booking", method: "jsonSchema", includeRaw: true }).invoke("Book a room.");
seen.objects.raw = schema.safeParse(JSON.parse(raw.raw.text)).success ? raw.parsed : null;

const weather = tool(({ city }) => `21 in ${city}`, { name: "weather", description: "The weather of a city.", schema: z.object({ city: z.enum(["Rome", "Oslo"]) }) });
const time = tool(() => "noon", { name: "time", description: "The time.", schema: z.object({}) });
const question = new HumanMessage("How warm is it in Rome?");
const named = await chat.bindTools([weather, time], { tool_choice: "weather", strict: true }).invoke([question]);
seen.named = named.tool_calls.map(call => [call.name, call.args.city, typeof call.id]);
seen.required = (await chat.bindTools([time], { tool_choice: "required" }).invoke([question])).tool_calls.map(call => call.name);
let gathered;
for await (const chunk of await chat.bindTools([weather], { tool_choice: "any" }).stream([question])) gathered = gathered ? gathered.concat(chunk) : chunk;
seen.streamedCalls = gathered.tool_calls.map(call => [call.name, call.args.city]);
const results = await Promise.all(named.tool_calls.map(call => weather.invoke(call)));
seen.results = results.map(result => [result instanceof ToolMessage, result.content]);
seen.after = (await chat.bindTools([weather], { tool_choice: "none" }).invoke([new SystemMessage("Be brief."), question, new AIMessage(named), ...results], { options: { timeout: 600_000 } })).text.length > 0;

const embeddings = new OpenAIEmbeddings(common);
const documents = await embeddings.embedDocuments(["a cat", "an invoice from March"]);
const query = await embeddings.embedQuery("a cat");
seen.embeddings = { sizes: documents.map(vector => vector.length), off: Math.max(...query.map((value, i) => Math.abs(value - documents[0][i]))), cut: (await new OpenAIEmbeddings({ ...common, dimensions: 16 }).embedQuery("a cat")).length };

const plain = new OpenAI({ ...common, temperature: 0, maxTokens: 4 });
const completion = await plain.invoke("The");
let completed = "";
for await (const piece of await plain.stream("The")) completed += piece;
seen.completion = [typeof completion, completed === completion];

seen.errors = {
  key: await failure(new ChatOpenAI({ ...common, apiKey: "wrong" }).invoke(prompt)),
  model: await failure(new ChatOpenAI({ ...common, model: "nope" }).invoke(prompt)),
  context: await failure(chat.invoke("word ".repeat(3000))),
};
console.log(JSON.stringify(seen));
