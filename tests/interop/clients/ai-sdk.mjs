// Runs Vercel's AI SDK, by its provider for compatible servers, through texts, streams, objects, tools and embeddings, and prints what it saw as
// one line of JSON. The model is small, so that calls are forced and objects are held to schemas that bound them.
import "../contract.mjs";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { embed, embedMany, generateText, isStepCount, jsonSchema, Output, streamText, tool } from "ai";
import { z } from "zod";

globalThis.AI_SDK_LOG_WARNINGS = false; // of what the models for plain completions do not take
const provider = createOpenAICompatible({ name: "helixflow", baseURL: process.argv[2], apiKey: process.argv[3], includeUsage: true, supportsStructuredOutputs: true });
const model = provider("helix-tiny");
const settings = { model, maxRetries: 0, temperature: 0 };
const prompt = "What is HelixFlow?";
const failure = async promise => { try { await promise; return null; } catch (e) { return { name: e.name, status: e.statusCode, message: e.message, retryable: e.isRetryable }; } };
const seen = {};

const whole = await generateText({ ...settings, prompt });
seen.whole = { text: whole.text, finish: whole.finishReason, usage: whole.usage, model: whole.response.modelId };

const streamed = streamText({ ...settings, prompt });
seen.streamed = "";
for await (const piece of streamed.textStream) seen.streamed += piece;
seen.streamedFinish = await streamed.finishReason;
seen.streamedUsage = await streamed.usage;

seen.cut = (await generateText({ ...settings, prompt, maxOutputTokens: 3 })).finishReason;
seen.stopped = (await generateText({ ...settings, prompt, stopSequences: ["platform"] })).text;
const sample = { ...settings, prompt: "Hello", temperature: 1.5, seed: 7, maxOutputTokens: 24 };
seen.seeded = [(await generateText(sample)).text, (await generateText(sample)).text];
seen.roles = (await generateText({ ...settings, system: "Be brief.", messages: [{ role: "user", content: [{ type: "text", text: "What is " }, { type: "text", text: "2 + 3?" }] }] })).text;

// Objects that satisfy a schema, whole and while they grow.
const schema = z.object({ kind: z.enum(["hotel", "flat"]), nights: z.number().int().min(1).max(30), breakfast: z.boolean() });
seen.object = (await generateText({ ...settings, prompt: "Book a room.", output: Output.object({ schema }) })).output;
const growing = streamText({ ...settings, prompt: "Book a room.", output: Output.object({ schema }) });
seen.parts = 0;
for await (const _ of growing.partialOutputStream) seen.parts++;
seen.grown = await growing.output;
seen.choice = (await generateText({ ...settings, prompt: "Is it good?", output: Output.choice({ options: ["positive", "negative"] }) })).output;

// Calls that are forced: their arguments, their results, and the turn after them.
const inputSchema = jsonSchema({ type: "object", properties: { city: { type: "string", maxLength: 8 }, unit: { enum: ["C", "F"] } }, required: ["city", "unit"], additionalProperties: false });
const ran = [];
const weather = tool({ description: "The weather of a city.", inputSchema, execute: input => { ran.push(input); return "21"; } });
const named = await generateText({ ...settings, prompt: "How warm is it in Rome?", tools: { weather, other: weather }, toolChoice: { type: "tool", toolName: "weather" } });
seen.named = named.toolCalls.map(call => [call.toolName, Object.keys(call.input).sort()]);
seen.results = named.toolResults.map(result => result.output);
const required = streamText({ ...settings, prompt: "How warm is it in Rome?", tools: { weather }, toolChoice: "required" });
seen.kinds = [];
seen.streamedInput = "";
for await (const part of required.fullStream) {
  if (part.type === "tool-input-delta") seen.streamedInput += part.delta;
  if (seen.kinds.at(-1) !== part.type) seen.kinds.push(part.type);
}
seen.required = (await required.toolCalls).map(call => call.input);
const turns = await generateText({
  ...settings, prompt: "How warm is it in Rome?", tools: { weather }, stopWhen: isStepCount(2), maxOutputTokens: 64,
  prepareStep: ({ stepNumber }) => ({ toolChoice: stepNumber === 0 ? "required" : "none" }),
});
seen.turns = turns.steps.map(step => [step.toolCalls.length, step.finishReason]);
seen.ran = ran.length;

const vectors = provider.embeddingModel("helix-tiny");
const many = await embedMany({ model: vectors, values: ["a cat", "a cat", "an invoice from March"], maxRetries: 0 });
const one = await embed({ model: vectors, value: "a cat", maxRetries: 0 });
seen.embeddings = { count: many.embeddings.length, size: one.embedding.length, same: JSON.stringify(many.embeddings[0]) === JSON.stringify(many.embeddings[1]), tokens: many.usage.tokens };

const completion = await generateText({ ...settings, model: provider.completionModel("helix-tiny"), prompt: "The", maxOutputTokens: 4 });
seen.completion = [typeof completion.text, completion.usage.outputTokens];
let completed = "";
for await (const piece of streamText({ ...settings, model: provider.completionModel("helix-tiny"), prompt: "The", maxOutputTokens: 4 }).textStream) completed += piece;
seen.completionStream = completed === completion.text;

seen.errors = {
  key: await failure(generateText({ ...settings, model: createOpenAICompatible({ name: "x", baseURL: process.argv[2], apiKey: "wrong" })("helix-tiny"), prompt })),
  model: await failure(generateText({ ...settings, model: provider("nope"), prompt })),
  context: await failure(generateText({ ...settings, prompt: "word ".repeat(3000) })),
};
const controller = new AbortController();
const long = streamText({ ...settings, prompt: "Write a long text", maxOutputTokens: 900, abortSignal: controller.signal });
seen.abort = [];
for await (const part of long.fullStream) { if (part.type === "text-delta") controller.abort(); if (part.type === "abort" || part.type === "error") seen.abort.push(part.type); }
console.log(JSON.stringify(seen));
