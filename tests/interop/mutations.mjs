// Makes requests from an OpenAPI document, and makes them wrong in ways that come from the document's own schemas. The same seed makes the same ones.
import { gzipSync, brotliCompressSync, deflateSync } from "node:zlib";

export function randomOf(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const below = n => Math.floor(next() * n);
  return { next, below, pick: list => list[below(list.length)], chance: share => next() < share };
}

const texts = [
  "", " ", "x", "\0", "\u0007\u001b[31m", "\u202egnp.exe", "e\u0301\u0327\u0489".repeat(20), "👩‍👩‍👧‍👦", "\uFFFE\uFFFF", "😀".repeat(300), "%00%n%s%x", "../../../etc/passwd",
  "'; DROP TABLE models; --", "<script>alert(1)</script>", "{{7*7}}${7*7}", "null", "NaN", "-0", "1e999", "\r\nX-Evil: 1", "𝕳𝖊𝖑𝖑𝖔", "<|im_end|>", "<|endoftext|>", "[INST]", "(((((((((((((((((a+)+)+", "a{1,99999}", "[[:alpha:]]{", "(?<=x)y\\1",
  "root ::= root", "root ::= ", "start: start start | \"a\"", "{\"$ref\":\"#\"}", "{\"type\":", "$defs", "__proto__", "constructor",
];
const numbers = [0, -1, 1, 2, 0.5, -0.5, 1e308, -1e308, 1e-320, 2147483647, 2147483648, -2147483649, 4294967296, 9007199254740993, 1e19, -1e19, 128, 129, 21, 17, 513];
const deep = (depth, leaf) => { let value = leaf; for (let i = 0; i < depth; i++) value = i % 2 ? { a: value } : [value]; return value; };

// Many of one value, which are not the same object: what changes in one of them later must not change in all.
const repeated = value => JSON.stringify(value).length < 200 ? Array.from({ length: 3000 }, () => structuredClone(value)) : Array.from({ length: 30 }, () => structuredClone(value));

// A value of another kind than the schema asks for, or an odd one of the same.
function oddValue(random) {
  switch (random.below(9)) {
    case 0: return null;
    case 1: return random.chance(0.5);
    case 2: return random.pick(numbers);
    case 3: return random.pick(texts);
    case 4: return [];
    case 5: return {};
    case 6: return [random.pick(texts), random.pick(numbers), null, {}];
    case 7: return { type: random.pick(texts), name: random.pick(numbers) };
    default: return deep(random.below(80), random.pick(texts));
  }
}

export function maker(document, random, model) {
  const resolve = schema => schema?.$ref ? resolve(schema.$ref.slice(2).split("/").reduce((at, key) => at[key], document)) : schema ?? {};

  // A value that the schema allows, with some of what is optional.
  function sample(given, name = "", depth = 0) {
    const schema = resolve(given);
    if (schema.const !== undefined) return schema.const;
    if (schema.enum) return random.pick(schema.enum);
    const options = schema.oneOf ?? schema.anyOf;
    if (options) return sample(random.pick(options), name, depth);
    if (schema.allOf) return Object.assign({}, ...schema.allOf.map(part => sample(part, name, depth)));
    const type = Array.isArray(schema.type) ? random.pick(schema.type) : schema.type;
    switch (type) {
      case "null": return null;
      case "boolean": return random.chance(0.5);
      case "integer": return Math.round((schema.minimum ?? 0) + random.below(Math.min(4, (schema.maximum ?? 9) - (schema.minimum ?? 0) + 1)));
      case "number": return (schema.minimum ?? 0) + random.next() * ((schema.maximum ?? 1) - (schema.minimum ?? 0));
      case "string": return name === "model" ? model : name === "name" ? "f" + random.below(9) : schema.pattern ? "abc" : random.pick(["a", "Hello", "What is 2 + 3?", "Ünïcödé 😀"]);
      case "array": return depth > 6 ? [] : Array.from({ length: Math.max(schema.minItems ?? 0, 1 + random.below(2)) }, () => sample(schema.items, name, depth + 1));
      case "object": {
        const value = {};
        for (const [key, inner] of Object.entries(schema.properties ?? {})) {
          const required = schema.required?.includes(key);
          if (required || (depth < 6 && random.chance(0.15))) value[key] = sample(inner, key, depth + 1);
        }
        return value;
      }
      default: return "a";
    }
  }

  // Every place in a value, with the schema that holds there.
  function places(value, given, found = [], holder = null, key = null) {
    let schema = resolve(given);
    const options = schema.oneOf ?? schema.anyOf;
    if (options) schema = resolve(options.find(option => fits(value, resolve(option))) ?? options[0]);
    found.push({ value, schema, holder, key });
    if (Array.isArray(value)) value.forEach((inner, i) => places(inner, schema.items, found, value, i));
    else if (value !== null && typeof value === "object") for (const [name, inner] of Object.entries(value)) places(inner, schema.properties?.[name], found, value, name);
    return found;
  }

  const fits = (value, schema) => schema.type === (Array.isArray(value) ? "array" : value === null ? "null" : Number.isInteger(value) && schema.type === "integer" ? "integer" : typeof value);

  // Changes one place of a body.
  function mutate(body, schema) {
    const all = places(body, schema);
    const place = random.pick(all.length > 1 ? all.slice(1) : all);
    if (place.holder === null) return oddValue(random);
    const set = value => { place.holder[place.key] = value; };
    switch (random.below(9)) {
      case 0: Array.isArray(place.holder) ? place.holder.splice(place.key, 1) : delete place.holder[place.key]; break;
      case 1: set(oddValue(random)); break;
      case 2: set(typeof place.value === "number" ? random.pick(numbers) : oddValue(random)); break;
      case 3: set(random.pick([place.schema.minimum - 1, place.schema.maximum + 1, place.schema.maximum + 0.5, random.pick(numbers)].filter(n => n !== undefined && !Number.isNaN(n)))); break;
      case 4: set(typeof place.value === "string" ? random.pick(texts) : random.pick(numbers)); break;
      case 5: set(typeof place.value === "string" && random.chance(0.1) ? "word ".repeat(1 + random.below(20000)) : random.pick(texts)); break;
      case 6: set(Array.isArray(place.value) ? (random.chance(0.2) ? repeated(place.value[0] ?? 1) : [...place.value, ...place.value, oddValue(random)]) : deep(random.below(90), 1)); break;
      case 7: if (!Array.isArray(place.holder)) place.holder[random.pick(texts)] = oddValue(random); else place.holder.push(oddValue(random)); break;
      default: {
        const known = Object.entries(resolve(schema).properties ?? {});
        const [name, inner] = random.pick(known);
        body[name] = random.chance(0.5) ? oddValue(random) : sample(inner, name);
      }
    }
    return body;
  }

  // Breaks the text of a body.
  function breakText(text) {
    const at = random.below(text.length + 1);
    switch (random.below(14)) {
      case 0: return text.slice(0, at);
      case 1: return text + random.pick(["}", "]", "{}", " x", "\0", text]);
      case 2: return text.replace(/:/, ": NaN, \"x\":");
      case 3: return text.replace(/:\s*"[^"]*"/, ": " + random.pick(["NaN", "Infinity", "-Infinity", "undefined", "0x10", "01", "1.", ".5", "+1", "1e99999", "-", "1e", "'x'", "9".repeat(2000), "0." + "1".repeat(2000)]));
      case 4: return text.replaceAll('"', "'");
      case 5: return text.replace("{", "{/* no */");
      case 6: return text.replace("}", ",}");
      case 7: return text.replace("{", `{"model":"${model}","model":"${model}",`);
      case 8: return text.replace(/"([^"]*)"\s*}/, '"\\ud800"}');
      case 9: return text.replace(/"([^"]*)"\s*}/, '"\\udc00\\ud800x\\u12"}');
      case 10: return "\uFEFF".repeat(1 + random.below(2)) + text;
      case 11: return text.slice(0, at) + String.fromCharCode(random.below(32)) + text.slice(at);
      case 12: { const bytes = Buffer.from(text); bytes[random.below(bytes.length)] = random.below(256); return bytes; }
      default: return Buffer.concat([Buffer.from(text.slice(0, at)), Buffer.from([0xc3, 0x28, 0xff, 0xfe]), Buffer.from(text.slice(at))]);
    }
  }

  // Headers that are wrong, odd, or that the body does not match.
  function oddHeaders(headers, body) {
    const bytes = Buffer.from(body);
    switch (random.below(12)) {
      case 0: return [{ ...headers, "content-type": random.pick(["text/plain", "application/xml", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "application/json; charset=utf-16", "x", "application/json;;;", "/", "application/json; charset=\"", "é"]) }, body];
      case 1: { const { "content-type": _, ...rest } = headers; return [rest, body]; }
      case 2: return [{ ...headers, "content-encoding": random.pick(["gzip", "br", "deflate", "zstd", "x", "gzip, gzip", "identity, gzip", "é"]) }, body];
      case 3: return [{ ...headers, "content-encoding": "gzip" }, gzipSync(bytes)];
      case 4: return [{ ...headers, "content-encoding": "br" }, random.chance(0.5) ? brotliCompressSync(bytes) : brotliCompressSync(bytes).subarray(0, bytes.length / 4)];
      case 5: return [{ ...headers, "content-encoding": "deflate" }, random.chance(0.5) ? deflateSync(bytes) : deflateSync(bytes).subarray(3)];
      case 6: return [{ ...headers, authorization: random.pick(["", "Bearer", "Bearer ", "Basic eDp5", "Bearer " + "x".repeat(4000), "Bearer wrong", "bearer\twrong", "Bearer é"]) }, body];
      case 7: { const { authorization: _, ...rest } = headers; return [rest, body]; }
      case 8: return [{ ...headers, accept: random.pick(["text/html", "application/json;q=0", "*/*;q=0", "x", ",,,", "application/json;q=9", "image/*, text/event-stream;q=0.1"]) }, body];
      case 9: return [{ ...headers, "x-client-request-id": random.pick(["x".repeat(513), "ok", "é", ""]) }, body];
      case 10: return [{ ...headers, "idempotency-key": random.pick(["x".repeat(300), "a", "b", "é", ""]) }, body];
      default: return [{ ...headers, "openai-organization": random.pick(["é", "org-x", "x".repeat(2000)]), "openai-project": "p", "x-stainless-timeout": "x", "content-length": undefined, expect: random.chance(0.3) ? "100-continue" : undefined }, body];
    }
  }

  // A form that the schema allows, or one that is wrong in a few places.
  function form(schema) {
    const boundary = random.pick(["x", "----WebKitFormBoundary7MA4YWxk", "a'b(c)+_,-./:=?"]);
    const fields = Object.entries(resolve(schema).properties ?? {})
      .filter(([name]) => resolve(schema).required?.includes(name) || random.chance(0.3))
      .flatMap(([name, inner]) => resolve(inner).type === "object"
        ? Object.entries(resolve(inner).properties).map(([key, part]) => ({ name: `${name}[${key}]`, value: String(sample(part, key)) }))
        : [{ name, value: String(sample(inner, name)), file: resolve(inner).format === "binary" ? random.pick(["input.jsonl", "a", "../../x.jsonl", "\u00fc\".jsonl", "x".repeat(2000)]) : null }]);
    const wrong = random.below(3);
    for (let i = 0; i < wrong; i++) {
      const at = random.below(fields.length || 1);
      const field = fields[at] ?? { name: "a", value: "b" };
      switch (random.below(7)) {
        case 0: fields.splice(at, 1); break;
        case 1: fields.splice(random.below(fields.length + 1), 0, { ...field }); break;
        case 2: field.name = random.pick([...texts, "file[]", "expires_after", "expires_after[x]", "file.filename"]); break;
        case 3: field.value = random.chance(0.2) ? "a".repeat(300_000) : random.pick([...texts, ...numbers.map(String)]); break;
        case 4: field.file = field.file ? null : random.pick(texts); break;
        case 5: field.header = random.pick(["Content-Type: ", "Content-Type: text/plain; charset=utf-16", "Content-Transfer-Encoding: base64", "Content-Length: -1", ": x", "x".repeat(20_000), "X: " + "y".repeat(20_000)]); break;
        default: fields.reverse();
      }
    }
    let text = fields.map(({ name, value, file, header }) => `--${boundary}\r\nContent-Disposition: form-data; name="${name}"${file == null ? "" : `; filename="${file}"`}\r\n${header === undefined ? "" : header + "\r\n"}\r\n${value}\r\n`).join("") + `--${boundary}--\r\n`;
    if (random.chance(0.15)) text = text.slice(0, random.below(text.length));
    if (random.chance(0.05)) text = text.replaceAll("\r\n", "\n");
    return { type: random.chance(0.05) ? `multipart/form-data; boundary=${random.pick(texts).replace(/[^ -~]/g, "")}` : `multipart/form-data; boundary="${boundary}"`, text };
  }

  const operations = Object.entries(document.paths).flatMap(([path, methods]) => Object.entries(methods).filter(([method]) => method !== "parameters").map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })));
  const withBody = operations.filter(({ operation }) => operation.requestBody);
  const oddPath = path => path.replace(/\{[^}]+\}/g, () => encodeURIComponent(random.pick(["x", model, ...texts.filter(text => text !== "" && text !== "\0")]))); // servers refuse a NUL in a path before they look at it

  // The next request: { method, path, headers, body, sent }, where sent is the body's text if that is what the schema speaks of.
  return function make(headers) {
    const { path, method, operation } = random.pick(random.chance(0.9) ? withBody : operations);
    const schema = operation.requestBody?.content?.["application/json"]?.schema;
    const request = { method, path: oddPath(path), headers: { ...headers } };
    if (!schema) {
      if (random.chance(0.3)) request.path += "?" + random.pick(["limit=x", "limit=-1", "limit=99999999999999999999", "after=%00", "after=" + "x".repeat(3000), "order=up", "a[b]=c", "%", "metadata[x]=y"]);
      if (operation.requestBody) {
        const { type, text } = form(operation.requestBody.content["multipart/form-data"].schema);
        request.headers["content-type"] = type;
        request.body = text;
        if (random.chance(0.1)) [request.headers, request.body] = oddHeaders(request.headers, text);
      } else {
        [request.headers] = oddHeaders(request.headers, "");
        delete request.headers["content-encoding"];
      }
      if (random.chance(0.1)) request.method = random.pick(["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"]);
      return request;
    }
    request.headers["content-type"] = "application/json";
    let body = random.chance(0.5) && operation.requestBody.content["application/json"].example
      ? structuredClone(operation.requestBody.content["application/json"].example) : sample(schema);
    const known = resolve(schema).properties ?? {};
    // Short answers, whatever else happens to the body.
    for (const name of ["max_completion_tokens", "max_tokens", "max_output_tokens"]) if (known[name]) body[name] = known[name].minimum ?? 1;
    delete body.ignore_eos;
    const kind = random.below(10);
    const rounds = kind < 6 ? 1 : kind < 8 ? 1 + random.below(4) : 0;
    for (let i = 0; i < rounds && body !== null && typeof body === "object"; i++) body = mutate(body, schema);
    if (body !== null && typeof body === "object" && body.ignore_eos) delete body.ignore_eos;
    const text = JSON.stringify(body);
    request.body = request.sent = text;
    if (kind === 8) {
      request.body = breakText(text);
      request.sent = undefined;
    } else if (kind === 9) {
      [request.headers, request.body] = oddHeaders(request.headers, text);
    }
    return request;
  };
}
