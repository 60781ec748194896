// Holds every answer of a server to schemas/openapi/gateway.json, with ajv: import this first, and all that goes through fetch is checked.
// What breaks the contract is printed at the end, and the script then ends with exit code 1.
// All that was seen goes to the file that HELIXFLOW_CONTRACT_REPORT names, and how much it was to the error output.
import { readFileSync, writeFileSync } from "node:fs";
import Ajv from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

const document = JSON.parse(readFileSync(new URL("../../schemas/openapi/gateway.json", import.meta.url), "utf8"));
export const violations = [];
export const counts = { responses: 0, events: 0, requests: 0 };
const covered = new Set();

// Objects in answers have no properties but those that are named: also where the document does not say so itself.
function close(root) {
  const joined = new Set();
  visit(root, (schema, inAllOf) => { if (inAllOf && schema.$ref) joined.add(schema.$ref); });
  visit(root, (schema, inAllOf, pointer) => {
    const isObject = schema.properties || schema.allOf?.some(part => part.$ref || part.properties);
    if (isObject && !inAllOf && !joined.has(pointer) && schema.additionalProperties === undefined && schema.unevaluatedProperties === undefined) {
      schema.unevaluatedProperties = false;
    }
  });
  return root;
}

// Calls back for every schema of an OpenAPI document: its components, and what its paths hold themselves.
function visit(root, call) {
  const walk = (schema, inAllOf, pointer) => {
    if (schema === null || typeof schema !== "object") return;
    call(schema, inAllOf, pointer);
    for (const key of ["properties", "patternProperties", "$defs"]) {
      for (const [name, value] of Object.entries(schema[key] ?? {})) walk(value, false, `${pointer}/${key}/${name}`);
    }
    for (const key of ["items", "additionalProperties", "not", "contains", "propertyNames", "if", "then", "else"]) walk(schema[key] ?? null, false, `${pointer}/${key}`);
    for (const key of ["oneOf", "anyOf", "prefixItems"]) (schema[key] ?? []).forEach((value, i) => walk(value, false, `${pointer}/${key}/${i}`));
    (schema.allOf ?? []).forEach((value, i) => walk(value, true, `${pointer}/allOf/${i}`));
  };
  for (const [name, schema] of Object.entries(root.components.schemas)) walk(schema, false, `#/components/schemas/${name}`);
  for (const operations of Object.values(root.paths)) {
    for (const operation of Object.values(operations)) {
      for (const holder of [operation.requestBody, ...Object.values(operation.responses ?? {})]) {
        for (const media of Object.values(holder?.content ?? {})) walk(media.schema ?? null, false, "");
      }
    }
  }
}

const ajv = new Ajv({ strict: false, allErrors: false });
addFormats(ajv);
ajv.addFormat("binary", true);
ajv.addSchema(close(structuredClone(document)), "answers");
ajv.addSchema(document, "requests");
const compiled = new Map();
function check(set, pointer, value) {
  const reference = set + pointer;
  if (!compiled.has(reference)) compiled.set(reference, ajv.compile({ $ref: reference }));
  const validate = compiled.get(reference);
  return validate(value) ? null : ajv.errorsText(validate.errors, { dataVar: "" });
}

const escaped = key => encodeURIComponent(key.replaceAll("~", "~0").replaceAll("/", "~1"));
const paths = Object.keys(document.paths)
  .map(path => ({ path, literals: path.split("/").filter(part => !part.startsWith("{")).length, pattern: new RegExp("^" + path.replace(/[.*+?^$()|[\]\\]/g, "\\$&").replace(/\{[^}]+\}$/, ".+").replace(/\{[^}]+\}/g, "[^/]+") + "$") }))
  .sort((a, b) => b.literals - a.literals);

// What the document says of a request; null when it does not know the path.
export function operationOf(method, url) {
  const { pathname } = new URL(url);
  const known = document.paths[pathname] ? { path: pathname } : paths.find(({ pattern }) => pattern.test(pathname));
  if (!known) return null;
  const verb = method.toLowerCase() === "head" ? "get" : method.toLowerCase();
  const operation = document.paths[known.path][verb];
  return { ...known, verb, operation, pointer: `#/paths/${escaped(known.path)}/${verb}` };
}

export function report(message, detail) {
  if (violations.length < 200) violations.push(detail === undefined ? message : `${message}: ${detail}`);
}

// The schema for an answer: its pointer, or null when it has no body to check; undefined when the document has no such answer.
function schemaOf(known, status, contentType) {
  const responses = known?.operation?.responses;
  const key = responses?.[status] ? status : responses?.default && status >= 400 ? "default" : null;
  if (key === null) return undefined;
  const content = responses[key].content;
  if (!content) return contentType === "" ? null : undefined;
  return content[contentType] ? (content[contentType].schema ? `${known.pointer}/responses/${key}/content/${escaped(contentType)}/schema` : null) : undefined;
}

// The form of a refusal outside of what is described: each API has its own.
function errorOf(url, contentType, text) {
  if (contentType === "application/problem+json") return "#/components/schemas/Problem";
  if (new URL(url).pathname.startsWith("/api/")) return "#/components/schemas/OllamaError";
  return /^\{"type":"error"/.test(text) ? "#/components/schemas/AnthropicError" : "#/components/schemas/Error";
}

const isError = body => typeof body === "object" && body !== null && "error" in body;

// Checks a whole answer; the text is its body.
export function checkAnswer(method, url, response, text, sent) {
  counts.responses++;
  const name = `${method} ${new URL(url).pathname} → ${response.status}`;
  for (const header of ["x-request-id", "openai-processing-ms", "openai-version"]) {
    if (!response.headers.get(header)) report(`${name}: no ${header}`);
  }
  const known = operationOf(method, url);
  const contentType = (response.headers.get("content-type") ?? "").split(";")[0].trim();
  let pointer = known?.operation ? schemaOf(known, response.status, contentType) : undefined;
  if (!known?.operation && response.status >= 400 && response.status < 500) pointer = errorOf(url, contentType, text);
  if (pointer === undefined) return report(`${name}: an answer that is not described`, contentType);
  if (response.ok && sent !== undefined) checkRequest(name, known, sent);
  if (response.ok && known?.operation && method !== "HEAD") covered.add(`${method} ${known.path} ${contentType}`);
  if (pointer === null || method === "HEAD") return;
  if (contentType === "application/x-ndjson") return text.split("\n").filter(line => line).forEach(line => { counts.events++; checkJson(name, pointer, line); });
  if (contentType === "text/event-stream") return;
  if (contentType.endsWith("json")) checkJson(name, pointer, text);
}

function checkJson(name, pointer, text) {
  let value;
  try { value = JSON.parse(text); } catch { return report(`${name}: not JSON`, text.slice(0, 200)); }
  const wrong = check("answers", pointer, value);
  if (wrong) report(name, `${wrong} in ${text.slice(0, 400)}`);
}

// A request that was carried out has to be one that the document allows; null counts as absent.
function checkRequest(name, known, sent) {
  const pointer = `${known.pointer}/requestBody/content/application~1json/schema`;
  if (typeof sent !== "string" || !known.operation.requestBody?.content["application/json"]) return;
  counts.requests++;
  let value;
  try { value = JSON.parse(sent.replace(/^\uFEFF/, "")); } catch { return report(`${name}: served a body that is not JSON`); }
  const wrong = check("requests", pointer, withoutNulls(value));
  if (wrong) report(`${name}: served a request that is not described`, `${wrong} in ${sent.slice(0, 300)}`);
}

const withoutNulls = value => Array.isArray(value) ? value.map(withoutNulls)
  : typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== null).map(([key, inner]) => [key, withoutNulls(inner)]))
  : value;

// Checks a value against one of the document's schemas: for what goes over other ways than fetch.
export function checkSchema(schema, value) {
  counts.events++;
  const wrong = check("answers", `#/components/schemas/${schema}`, value);
  if (wrong) report(schema, `${wrong} in ${JSON.stringify(value).slice(0, 400)}`);
}

// Checks a stream of server-sent events piece by piece.
export function eventChecker(method, url, response) {
  const name = `${method} ${new URL(url).pathname} (stream)`;
  const known = operationOf(method, url);
  const pointer = schemaOf(known, response.status, "text/event-stream");
  const endsWithDone = /completions$/.test(new URL(url).pathname);
  let rest = "", ended = false, failed = false, sequence = null;
  if (!pointer) report(`${name}: a stream that is not described`);
  const frame = text => {
    const lines = text.split("\n");
    const data = lines.filter(line => line.startsWith("data:")).map(line => line.slice(5).trimStart()).join("\n");
    const event = lines.find(line => line.startsWith("event:"))?.slice(6).trim();
    for (const line of lines) if (!/^(:|data: |event: |id: )/.test(line)) report(`${name}: a line that is no field`, JSON.stringify(line));
    if (lines.every(line => line.startsWith(":"))) return;
    if (ended) report(`${name}: a frame after [DONE]`, text);
    if (data === "") return report(`${name}: a frame without data`, text);
    counts.events++;
    if (data === "[DONE]") { ended = true; if (!endsWithDone) report(`${name}: [DONE]`); return; }
    if (pointer) checkJson(name, pointer, data);
    try {
      const value = JSON.parse(data);
      failed ||= isError(value) || value.type === "error";
      if (event && value.type !== event) report(`${name}: event ${event} with the type ${value.type}`);
      if ("sequence_number" in value) {
        if (sequence !== null && value.sequence_number !== sequence + 1) report(`${name}: sequence number ${value.sequence_number} after ${sequence}`);
        sequence = value.sequence_number;
      }
    } catch { /* reported above */ }
  };
  return {
    push(text) {
      rest += text;
      for (let end; (end = rest.indexOf("\n\n")) >= 0; rest = rest.slice(end + 2)) frame(rest.slice(0, end));
    },
    end() {
      if (rest !== "") report(`${name}: half a frame at the end`, rest);
      if (endsWithDone && !ended && !failed) report(`${name}: no [DONE] at the end`);
    },
  };
}

const plain = globalThis.fetch;

// fetch, with everything that comes back checked on its way.
export async function checkedFetch(input, init) {
  const url = String(input?.url ?? input);
  if (url.startsWith("data:")) return plain(input, init); // how a client finds out what fetch can do
  const method = init?.method ?? input?.method ?? "GET";
  if (url.startsWith("http") && !["127.0.0.1", "localhost"].includes(new URL(url).hostname)) throw new Error(`a client asks another server: ${url}`);
  const response = await plain(input, init);
  if (!url.startsWith("http")) return response;
  const isStream = (response.headers.get("content-type") ?? "").startsWith("text/event-stream");
  const sent = method === "GET" ? undefined : init?.body;
  if (response.body === null) {
    checkAnswer(method, url, response, "", sent);
    return response;
  }
  const decoder = new TextDecoder();
  const events = isStream ? eventChecker(method, url, response) : null;
  let text = "";
  if (isStream) checkAnswer(method, url, response, "", sent);
  const watched = new TransformStream({
    transform(bytes, controller) {
      const piece = decoder.decode(bytes, { stream: true });
      if (isStream) events.push(piece); else text += piece;
      controller.enqueue(bytes);
    },
    flush() {
      if (isStream) events.end(); else checkAnswer(method, url, response, text + decoder.decode(), sent);
    },
  });
  const copy = new Response(response.body.pipeThrough(watched), { status: response.status, statusText: response.statusText, headers: response.headers });
  Object.defineProperty(copy, "url", { value: response.url });
  return copy;
}

globalThis.fetch = checkedFetch;
process.on("exit", () => {
  console.error(`contract: ${counts.responses} answers, ${counts.events} events and ${counts.requests} requests were checked`);
  if (process.env.HELIXFLOW_CONTRACT_REPORT) writeFileSync(process.env.HELIXFLOW_CONTRACT_REPORT, JSON.stringify({ counts, covered: [...covered].sort() }));
  if (violations.length > 0) {
    console.error(`${violations.length} breaches of schemas/openapi/gateway.json:\n${violations.join("\n")}`);
    process.exitCode = 1;
  }
});
