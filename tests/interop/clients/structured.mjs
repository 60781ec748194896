// Asks for answers of given shapes through the official JavaScript client, and checks each with ajv; prints what was seen as one line of JSON.
// The model is small and sampled hot, so that nothing but the constraint makes the answers right.
import "../contract.mjs";
import OpenAI from "openai";
import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: process.argv[3], maxRetries: 0 });
const rounds = Number(process.argv[4] ?? 3);
const model = "helix-tiny";
const messages = [{ role: "user", content: "Describe a person as JSON." }];
const ajv = new Ajv2020({ strict: false });
addFormats(ajv);
const failure = async promise => { try { await promise; return null; } catch (e) { return { status: e.status, code: e.code, param: e.param, type: e.type, message: e.message }; } };

const schemas = {
  person: { type: "object", properties: { name: { type: "string", minLength: 1, maxLength: 12 }, age: { type: "integer", minimum: 0, maximum: 130 }, born: { type: "string", format: "date" } }, required: ["name", "age", "born"], additionalProperties: false },
  enums: { type: "array", minItems: 1, maxItems: 4, items: { enum: ["red", "green", "blue", null, 3.5] } },
  tree: { $ref: "#/$defs/node", $defs: { node: { type: "object", properties: { value: { type: "number" }, next: { anyOf: [{ $ref: "#/$defs/node" }, { type: "null" }] } }, required: ["value", "next"], additionalProperties: false } } },
  patterns: { type: "object", properties: { id: { type: "string", pattern: "^[A-Z]{3}-[0-9]{4}$" }, at: { type: "string", format: "date-time" }, ip: { type: "string", format: "ipv4" } }, required: ["id", "at", "ip"], additionalProperties: false },
  union: { oneOf: [{ type: "object", properties: { kind: { const: "circle" }, radius: { type: "number", exclusiveMinimum: 0, maximum: 100 } }, required: ["kind", "radius"], additionalProperties: false }, { type: "object", properties: { kind: { const: "square" }, side: { type: "integer", multipleOf: 5, minimum: 5, maximum: 500 } }, required: ["kind", "side"], additionalProperties: false }] },
  tuple: { type: "array", prefixItems: [{ type: "boolean" }, { type: "string", maxLength: 5 }, { const: "end" }], items: false, minItems: 3 },
  nested: { type: "object", properties: { list: { type: "array", maxItems: 3, items: { type: "object", properties: { tags: { type: "array", maxItems: 2, items: { type: "string", maxLength: 4 } }, ok: { type: "boolean" } }, required: ["ok"], additionalProperties: false } } }, required: ["list"], additionalProperties: false },
  optional: { type: "object", properties: { a: { type: "integer", minimum: -9, maximum: 9 }, b: { type: "null" }, c: { enum: ["x", "y"] } }, minProperties: 1, additionalProperties: false },
};

const seen = { whole: 0, cut: 0, invalid: [] };
const judge = (name, validate, text, reason) => {
  if (reason === "length") { seen.cut++; return; } // cut short by max_completion_tokens
  let value;
  try { value = JSON.parse(text); } catch (e) { seen.invalid.push({ name, text, error: e.message }); return; }
  if (reason === "stop" && validate(value)) seen.whole++; else seen.invalid.push({ name, text, reason, errors: validate.errors });
};

for (const [name, schema] of Object.entries(schemas)) {
  const validate = ajv.compile(schema);
  const response_format = { type: "json_schema", json_schema: { name, strict: true, schema } };
  for (let seed = 0; seed < rounds; seed++) {
    const sampling = { seed, temperature: seed % 3 === 0 ? 0 : seed % 3 === 1 ? 1.2 : 2, max_completion_tokens: 300 };
    const whole = await client.chat.completions.create({ model, messages, response_format, n: 2, ...sampling });
    for (const choice of whole.choices) judge(name, validate, choice.message.content, choice.finish_reason);
    let text = "", reason;
    for await (const chunk of await client.chat.completions.create({ model, messages, response_format, stream: true, ...sampling })) {
      text += chunk.choices[0]?.delta?.content ?? "";
      reason = chunk.choices[0]?.finish_reason ?? reason;
    }
    judge(name, validate, text, reason);
    if (seed % 3 === 0 && text !== whole.choices[0].message.content) seen.invalid.push({ name, text, error: "the stream differs from the whole answer" });
  }
}

const parsed = await client.chat.completions.parse({ model, messages, response_format: { type: "json_schema", json_schema: { name: "person", strict: true, schema: schemas.person } }, max_completion_tokens: 200 });
seen.parsed = ajv.compile(schemas.person)(JSON.parse(parsed.choices[0].message.content));
const object = await client.chat.completions.create({ model, messages, response_format: { type: "json_object" }, temperature: 0, stop: ["\n\n\n"], max_completion_tokens: 200 });
seen.object = object.choices[0].finish_reason === "length" ? "cut" : typeof JSON.parse(object.choices[0].message.content);
seen.choices = (await client.chat.completions.create({ model, messages, guided_choice: ["positive", "negative"], n: 4, temperature: 2, seed: 1 })).choices.map(c => [c.message.content, c.finish_reason]);
seen.regex = (await client.completions.create({ model, prompt: "Call", guided_regex: "\\+[0-9]{2} [0-9]{3,8}", temperature: 2, max_tokens: 40, logprobs: 2 })).choices[0].text;
seen.grammar = (await client.completions.create({ model, prompt: "1+1=", structured_outputs: { grammar: "root ::= term (\"+\" term){0,3}\nterm ::= [0-9]{1,2}" }, temperature: 2, max_tokens: 40 })).choices[0].text;
const compact = { json: { type: "object", properties: { a: { enum: [1, 2] }, b: { type: "array", items: { type: "boolean" }, minItems: 2, maxItems: 3 } }, required: ["a", "b"], additionalProperties: false }, disable_any_whitespace: true };
seen.compact = (await client.completions.create({ model, prompt: "Numbers", structured_outputs: compact, n: 4, temperature: 2, seed: 3, max_tokens: 60 })).choices.map(c => JSON.stringify(JSON.parse(c.text)) === c.text);
seen.errors = {
  keyword: await failure(client.chat.completions.create({ model, messages, response_format: { type: "json_schema", json_schema: { name: "s", schema: { type: "object", properties: { a: { type: "array", uniqueItems: true } } } } } })),
  regex: await failure(client.chat.completions.create({ model, messages, guided_regex: "(" })),
  stream: await failure(client.chat.completions.create({ model, messages, stream: true, response_format: { type: "json_schema", json_schema: { name: "s", schema: { $ref: "#/nowhere" } } } })),
};
console.log(JSON.stringify(seen));
