// Compares schemas/openapi/gateway.json with OpenAI's published description, field by field: compatibility.mjs FILE, where FILE is that description as
// YAML or JSON. Prints where they differ, and ends with exit code 1 when docs/openai-compatibility.md lacks a published path, or a published field of a
// path that is served.
import { readFileSync } from "node:fs";
import { parse } from "yaml";

const [, , file] = process.argv;
if (!file) throw new Error("usage: node compatibility.mjs FILE");
const published = parse(readFileSync(file, "utf8"), { maxAliasCount: -1 });
const own = JSON.parse(readFileSync(new URL("../../schemas/openapi/gateway.json", import.meta.url), "utf8"));
const page = readFileSync(new URL("../../docs/openai-compatibility.md", import.meta.url), "utf8");
const deepest = 5;

// The fields of a schema by their path, with what they are; alternatives are joined.
function fieldsOf(document, schema, path = "", depth = 0, found = new Map(), within = []) {
  let at = schema ?? {};
  while (at.$ref) {
    if (within.includes(at.$ref)) return found;
    within = [...within, at.$ref];
    at = at.$ref.slice(2).split("/").reduce((inner, key) => inner[key], document);
  }
  for (const part of [...(at.allOf ?? []), ...(at.oneOf ?? []), ...(at.anyOf ?? [])]) fieldsOf(document, part, path, depth, found, within);
  if (at.items && depth < deepest) fieldsOf(document, at.items, path + "[]", depth, found, within);
  for (const [name, inner] of Object.entries(at.properties ?? {})) {
    const key = path === "" ? name : `${path}.${name}`;
    const kinds = found.get(key) ?? { types: new Set(), values: new Set(), required: false };
    found.set(key, kinds);
    describe(document, inner, kinds);
    kinds.required ||= at.required?.includes(name) ?? false;
    if (depth < deepest) fieldsOf(document, inner, key, depth + 1, found, within);
  }
  return found;
}

function describe(document, schema, kinds, level = 0) {
  let at = schema;
  for (let i = 0; at.$ref && i < 8; i++) at = at.$ref.slice(2).split("/").reduce((inner, key) => inner[key], document);
  for (const type of [at.type ?? []].flat()) if (type !== "null") kinds.types.add(type);
  for (const value of [at.enum ?? (at.const === undefined ? [] : at.const)].flat()) if (value !== null) kinds.values.add(String(value));
  for (const bound of ["minimum", "maximum", "minItems", "maxItems", "maxLength"]) if (at[bound] !== undefined) kinds[bound] = at[bound];
  if (level < 4) for (const part of [...(at.oneOf ?? []), ...(at.anyOf ?? []), ...(at.allOf ?? [])]) describe(document, part, kinds, level + 1);
}

function bodies(document, operation) {
  const request = Object.values(operation.requestBody?.content ?? {})[0]?.schema;
  const result = { request: request ? fieldsOf(document, request) : new Map() };
  for (const [type, media] of Object.entries(Object.entries(operation.responses ?? {}).find(([status]) => status.startsWith("2"))?.[1].content ?? {})) {
    result[type === "text/event-stream" ? "event" : "response"] = fieldsOf(document, media.schema);
  }
  return result;
}

function compare(label, theirs, ours) {
  const lines = [];
  for (const [name, kind] of theirs) {
    const mine = ours.get(name);
    if (!mine) {
      const parent = name.replace(/(\[\])?\.[^.]+$/, "");
      if (parent === name || ours.has(parent)) lines.push(`  published only: ${name}${kind.required ? " (required)" : ""}`);
      continue;
    }
    const types = [...kind.types].filter(type => !mine.types.has(type) && !(type === "number" && mine.types.has("integer")));
    if (types.length > 0 && mine.types.size > 0) lines.push(`  ${name}: type ${[...kind.types].join("|")}, here ${[...mine.types].join("|")}`);
    const values = [...kind.values].filter(value => !mine.values.has(value));
    if (values.length > 0 && mine.values.size > 0) lines.push(`  ${name}: not here: ${values.join(", ")}`);
    for (const bound of ["minimum", "maximum", "minItems", "maxItems", "maxLength"]) if (kind[bound] !== undefined && kind[bound] !== mine[bound]) lines.push(`  ${name}: ${bound} ${kind[bound]}, here ${mine[bound] ?? "none"}`);
    if (kind.required !== mine.required) lines.push(`  ${name}: ${kind.required ? "required" : "optional"}, here ${mine.required ? "required" : "optional"}`);
  }
  for (const name of ours.keys()) if (!theirs.has(name) && (!/[.]/.test(name) || theirs.has(name.replace(/(\[\])?\.[^.]+$/, "")))) lines.push(`  here only: ${name}`);
  if (lines.length > 0) console.log(`${label}\n${lines.join("\n")}`);
}

// The part of the page below the heading that names an operation, down to the next heading.
function section(operation) {
  const lines = page.split("\n");
  const at = lines.findIndex(line => line.startsWith("#") && line.includes("`" + operation + "`"));
  if (at < 0) return null;
  const end = lines.findIndex((line, i) => i > at && line.startsWith("#"));
  return lines.slice(at, end < 0 ? undefined : end).join("\n");
}

const missing = [];
const normal = path => path.replace(/\{[^}]+\}/g, "{}");
const ownPaths = new Map(Object.keys(own.paths).map(path => [normal(path), path]));
for (const [path, operations] of Object.entries(published.paths)) {
  if (path.includes("?")) continue;
  if (!page.includes("| `" + path + "` |")) missing.push(path);
  const here = ownPaths.get(normal("/v1" + path));
  if (!here) continue;
  for (const [verb, operation] of Object.entries(operations)) {
    const mine = own.paths[here][verb];
    if (!mine) continue;
    const label = `${verb.toUpperCase()} ${here}`;
    const [theirs, ours] = [bodies(published, operation), bodies(own, mine)];
    for (const part of ["request", "response", "event"]) if (theirs[part] && ours[part]) compare(`${label}, ${part}`, theirs[part], ours[part]);
    const text = section(label);
    if (text === null) { missing.push(`a section for ${label}`); continue; }
    for (const part of ["request", "response", "event"]) {
      for (const name of theirs[part]?.keys() ?? []) if (!/[.[]/.test(name) && !text.includes("| `" + name + "` |")) missing.push(`${label}, ${part}: ${name}`);
    }
  }
}

if (missing.length > 0) {
  console.error(`docs/openai-compatibility.md lacks:\n${missing.join("\n")}`);
  process.exitCode = 1;
}
