// Asks for calls that must be made through the official JavaScript client, and checks their arguments with ajv; prints what was seen as one line of JSON.
// The model is small, knows no tools and is sampled hot, so that nothing but the constraint makes the calls right.
import "../contract.mjs";
import OpenAI from "openai";
import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: process.argv[3], maxRetries: 0 });
const rounds = Number(process.argv[4] ?? 3);
const model = "helix-tiny";
const messages = [{ role: "user", content: "Book a room in Rome." }];
const ajv = addFormats(new Ajv2020({ strict: false }));
const failure = async promise => { try { await promise; return null; } catch (e) { return { status: e.status, code: e.code, param: e.param, type: e.type, message: e.message }; } };

const schemas = {
  book: { type: "object", properties: { city: { type: "string", maxLength: 12 }, nights: { type: "integer", minimum: 1, maximum: 30 }, from: { type: "string", format: "date" }, kind: { enum: ["hotel", "flat"] } }, required: ["city", "nights", "kind"], additionalProperties: false },
  cancel: { type: "object", properties: { id: { type: "string", pattern: "^[A-Z]{2}[0-9]{4}$" }, refund: { anyOf: [{ type: "boolean" }, { type: "null" }] } }, required: ["id", "refund"], additionalProperties: false },
  now: undefined,
};
const tools = Object.entries(schemas).map(([name, parameters]) => ({ type: "function", function: { name, parameters, strict: name === "book" } }));
const validators = Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, ajv.compile(schema ?? { type: "object", additionalProperties: false })]));

const seen = { calls: 0, cut: 0, several: 0, called: [], invalid: [], reasons: {} };
const judge = (how, calls, content, reason, allowed, single) => {
  if (reason === "length") { seen.cut++; return; }
  (seen.reasons[how] ??= []).includes(reason) || seen.reasons[how].push(reason);
  if (content) seen.invalid.push({ how, content });
  if (calls.length === 0 || (single && calls.length > 1)) seen.invalid.push({ how, count: calls.length });
  if (calls.length > 1) seen.several++;
  for (const call of calls) {
    seen.calls++;
    if (!seen.called.includes(call.function.name)) seen.called.push(call.function.name);
    if (!allowed.includes(call.function.name)) seen.invalid.push({ how, name: call.function.name });
    try {
      const validate = validators[call.function.name];
      if (!validate(JSON.parse(call.function.arguments))) seen.invalid.push({ how, call, errors: validate.errors });
    } catch (e) { seen.invalid.push({ how, call, error: e.message }); }
  }
};

const choices = {
  required: ["required", ["book", "cancel", "now"]],
  named: [{ type: "function", function: { name: "book" } }, ["book"]],
  allowed: [{ type: "allowed_tools", allowed_tools: { mode: "required", tools: [{ type: "function", function: { name: "cancel" } }, { type: "function", function: { name: "now" } }] } }, ["cancel", "now"]],
};
for (const [how, [tool_choice, allowed]] of Object.entries(choices)) {
  for (let seed = 0; seed < rounds; seed++) {
    const single = seed % 2 === 0;
    const request = { model, messages, tools, tool_choice, parallel_tool_calls: !single, seed, temperature: seed % 3 === 0 ? 0 : 1.5, max_completion_tokens: 400 };
    const whole = (await client.chat.completions.create(request)).choices[0];
    judge(how, whole.message.tool_calls ?? [], whole.message.content, whole.finish_reason, allowed, single);
    let streamed;
    try { streamed = (await client.chat.completions.stream(request).finalChatCompletion()).choices[0]; }
    catch (e) { if (e.constructor.name !== "LengthFinishReasonError") throw e; seen.cut++; continue; } // the client's own way to tell it
    judge(how, streamed.message.tool_calls ?? [], streamed.message.content, streamed.finish_reason, allowed, single);
    const args = c => (c.message.tool_calls ?? []).map(call => call.function.name + call.function.arguments).join();
    if (request.temperature === 0 && args(streamed) !== args(whole)) seen.invalid.push({ how, seed, error: "the stream differs from the whole answer" });
  }
}

const unsupported = { type: "function", function: { name: "bad", strict: true, parameters: { type: "object", properties: { a: { type: "array", uniqueItems: true } } } } };
seen.errors = {
  forced: await failure(client.chat.completions.create({ model, messages, tools: [...tools, unsupported], tool_choice: "required" })),
  auto: await failure(client.chat.completions.create({ model, messages, tools: [...tools, unsupported], stream: true })),
};
const lenient = await client.chat.completions.create({ model, messages, tools: [{ type: "function", function: { ...unsupported.function, strict: false } }], tool_choice: "required", temperature: 0, max_completion_tokens: 400 });
seen.lenient = lenient.choices[0].finish_reason;
const auto = await client.chat.completions.create({ model, messages, tools, temperature: 0, max_completion_tokens: 40 });
seen.auto = auto.choices[0].finish_reason;
console.log(JSON.stringify(seen));
