// Sends requests that are wrong in ways that come from the API's own description: malformed.mjs URL KEY [COUNT] [SEED]. Each has to be answered as
// the description says, and never with a failure of the server. Prints what it saw as one line of JSON.
import { checkAnswer, counts, eventChecker, report, violations } from "../contract.mjs";
import { readFileSync } from "node:fs";
import http from "node:http";
import { maker, randomOf } from "../mutations.mjs";

const [, , base, key, count = "10000", seed = "1"] = process.argv;
const origin = new URL(base).origin;
const document = JSON.parse(readFileSync(new URL("../../../schemas/openapi/gateway.json", import.meta.url), "utf8"));
const make = maker(document, randomOf(Number(seed)), "helix-tiny");
const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
const leak = /\bat [A-Za-z_.]+[.(][A-Za-z_<>.]+\(|\.cs:line|\bSystem\.[A-Z]|Exception\b|\/(work|home|root|usr|tmp|app)\//;
const seen = { statuses: {}, paths: {}, slowest: 0, harmless: 0, dropped: 0 };

function send({ method, path, headers, body }) {
  return new Promise((resolve, reject) => {
    // Node sends the body of a GET, HEAD, DELETE or OPTIONS without saying how long it is, and does not wait to be told to continue: the connection's next request must not be
    // what is left of this one.
    if (body !== undefined) headers = { ...headers, "content-length": Buffer.byteLength(body) };
    const request = http.request(origin + path, { method, headers, agent: headers.expect ? false : agent, insecureHTTPParser: true, timeout: 600_000 }, response => {
      const pieces = [];
      response.on("data", piece => pieces.push(piece));
      response.on("end", () => resolve({ status: response.statusCode, headers: new Headers(Object.entries(response.headers).map(([name, value]) => [name, String(value)])), text: Buffer.concat(pieces).toString() }));
      response.on("error", reject);
    });
    request.on("timeout", () => request.destroy(new Error("no answer within ten minutes")));
    request.on("error", reject);
    request.end(body);
  });
}

async function one(number) {
  const request = make({ authorization: `Bearer ${key}` });
  request.headers = Object.fromEntries(Object.entries(request.headers).filter(([, value]) => value !== undefined));
  for (const [name, value] of Object.entries(request.headers)) request.headers[name] = Buffer.from(value).toString("latin1");
  const shown = () => `#${number} ${request.method} ${request.path.slice(0, 80)} ${JSON.stringify(request.headers).slice(0, 300)} ${String(request.body).slice(0, 600)}`;
  const began = performance.now();
  let answer;
  try {
    answer = await send(request);
  } catch (error) {
    seen.dropped++;
    return report(`${shown()}: ${error.message}`);
  }
  const took = performance.now() - began;
  if (took > seen.slowest) { seen.slowest = Math.round(took); seen.slowestRequest = shown().slice(0, 300); }
  seen.statuses[answer.status] = (seen.statuses[answer.status] ?? 0) + 1;
  const before = violations.length;
  if (answer.status >= 500) report(`a failure of the server: ${answer.text.slice(0, 300)}`);
  if (answer.status >= 400 && leak.test(answer.text.replaceAll(String(request.body).slice(0, 50), ""))) report(`an answer that tells of the inside: ${answer.text.slice(0, 400)}`);
  if (answer.status < 400) seen.harmless++;
  if (answer.status !== 204) {
    const response = { status: answer.status, ok: answer.status < 300, headers: answer.headers };
    checkAnswer(request.method, origin + request.path, response, answer.text, request.sent);
    if (response.ok && (answer.headers.get("content-type") ?? "").startsWith("text/event-stream")) {
      const events = eventChecker(request.method, origin + request.path, response);
      events.push(answer.text);
      events.end();
    }
  }
  if (violations.length > before) report(`    by ${shown()}`);
}

let next = 0;
await Promise.all(Array.from({ length: 8 }, async () => { while (next < Number(count)) await one(next++); }));
agent.destroy();
seen.events = counts.events;
console.log(JSON.stringify(seen));
