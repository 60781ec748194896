// Embeds, ranks and tokenises through the official JavaScript client; each answer is checked by ajv against the server's own description.
import "../contract.mjs";
import OpenAI from "openai";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

const [baseURL, apiKey] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const model = "helix-tiny";
const seen = { invalid: [] };

const ajv = addFormats(new Ajv2020({ strict: false }));
const description = await (await fetch(new URL("/openapi.json", baseURL))).json();
ajv.addSchema(description, "api");
const check = (path, status, body) => {
  const schema = `api#/paths/${path.replaceAll("/", "~1")}/post/responses/${status}/content/application~1json/schema`;
  const validate = ajv.getSchema(schema);
  if (!validate) seen.invalid.push(`${path} ${status} is not described`);
  else if (!validate(body)) seen.invalid.push(`${path} ${status}: ${ajv.errorsText(validate.errors)}`);
  return body;
};
const post = async (path, body, key = apiKey) => {
  const response = await fetch(new URL(path, baseURL), { method: "POST", headers: { authorization: `Bearer ${key}`, "content-type": "application/json" }, body: JSON.stringify(body) });
  const answer = check(path, response.status, await response.json());
  return { status: response.status, ...answer };
};
const failure = async promise => { try { await promise; return null; } catch (e) { return { name: e.constructor.name, status: e.status, code: e.code, param: e.param, type: e.type, message: e.message }; } };
const embed = (input, more = {}) => client.embeddings.create({ model, input, ...more });
const cosine = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);

// Without an encoding_format the client asks for base64 and decodes it.
const texts = ["HelixFlow serves language models.", "Soup needs salt.", "漢字 🙂"];
const byDefault = await embed(texts);
const floats = await embed(texts, { encoding_format: "float" });
const base64 = await post("/v1/embeddings", { model, input: texts, encoding_format: "base64" });
const raw = await post("/v1/embeddings", { model, input: texts });
const decode = text => { const bytes = Buffer.from(text, "base64"); return Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i)); };
const narrow = vectors => vectors.map(vector => vector.map(Math.fround));
seen.indices = byDefault.data.map(item => item.index);
seen.byDefault = byDefault.data.map(item => item.embedding);
seen.floats = narrow(floats.data.map(item => item.embedding));
seen.base64 = base64.data.map(item => decode(item.embedding));
seen.raw = narrow(raw.data.map(item => item.embedding));
seen.usage = byDefault.usage;
seen.model = byDefault.model;

const one = (await embed(texts[0])).data[0].embedding;
const tokens = await post("/tokenize", { model, prompt: texts[0], return_token_strs: true });
seen.tokens = { count: tokens.count, ids: tokens.tokens.length, texts: tokens.token_strs.length, most: tokens.max_model_len };
seen.back = (await post("/detokenize", { model, tokens: (await post("/tokenize", { model, prompt: texts[0], add_special_tokens: false })).tokens })).prompt;
seen.sameFromTokens = cosine(one, (await embed(tokens.tokens)).data[0].embedding);
seen.sameFromTokenLists = (await embed([tokens.tokens, tokens.tokens])).data.map(item => cosine(one, item.embedding));
const messages = [{ role: "user", content: "What is HelixFlow?" }];
const whole = await post("/v1/tokenize", { messages });
const bare = await post("/v1/tokenize", { messages, add_generation_prompt: false });
seen.chat = { whole: whole.tokens, bare: bare.tokens };
seen.chatUsage = (await client.chat.completions.create({ model, messages, max_completion_tokens: 1 })).usage.prompt_tokens;

const cut = (await embed(texts[0], { dimensions: 16 })).data[0].embedding;
const length = Math.hypot(...one.slice(0, 16));
seen.cut = { size: cut.length, off: Math.max(...cut.map((value, i) => Math.abs(value - one[i] / length))) };
seen.mean = cosine((await embed(texts[0], { pooling: "mean" })).data[0].embedding, one);

const ranked = await client.post("/rerank", { body: { model, query: texts[0], documents: [texts[1], { text: texts[0] }, texts[2]], top_n: 2, return_documents: true } });
seen.ranked = check("/v1/rerank", 200, ranked).results;
seen.plainRanked = (await post("/rerank", { model, query: texts[0], documents: [texts[1], texts[0], texts[2]] })).results;
seen.scored = (await post("/v1/score", { model, text_1: texts[0], text_2: texts })).data.map(item => item.score);
seen.expectedScores = byDefault.data.map(item => cosine(one, item.embedding));
seen.pairs = (await post("/score", { model, text_1: texts, text_2: texts })).data.map(item => item.score);

const many = await embed(Array.from({ length: 300 }, (_, i) => texts[i % 3]));
seen.many = { count: many.data.length, ordered: many.data.every((item, i) => item.index === i), least: Math.min(...many.data.map((item, i) => cosine(item.embedding, byDefault.data[i % 3].embedding))) };

seen.errors = {
  empty: await failure(embed("")),
  emptyOfList: await failure(embed(["x", ""])),
  dimensions: await failure(embed("x", { dimensions: 100000 })),
  model: await failure(client.embeddings.create({ model: "nope", input: "x" })),
  context: await failure(embed(["x", "word ".repeat(3000)])),
  vocabulary: await failure(embed([[1], [1, 100000000]])),
};
seen.statuses = [
  (await post("/rerank", { model: "nope", query: "x", documents: ["y"] })).status,
  (await post("/score", { model, text_1: "x" })).status,
  (await post("/tokenize", { model: "nope", prompt: "x" })).status,
  (await post("/detokenize", { model, tokens: [100000000] })).status,
  (await post("/tokenize", { model, prompt: "x" }, "wrong")).status,
];
console.log(JSON.stringify(seen));
