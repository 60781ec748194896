// Reads what a server shows to those who operate it, and sends the few requests that no official client makes; prints what it saw as one line of JSON.
import "../contract.mjs";

const headers = { Authorization: `Bearer ${process.argv[3]}` };
const get = path => fetch(new URL(path, process.argv[2]), { headers });
const post = (path, body) => fetch(new URL(path, process.argv[2]), { method: "POST", headers: { ...headers, "content-type": "application/json" }, body: JSON.stringify(body) });
const seen = { statuses: {} };

for (const path of ["/healthz", "/readyz", "/metrics", "/api/v1/nodes", "/openapi.json", "/docs", "/api/tags", "/api/ps", "/api/version"]) {
  const response = await get(path);
  seen.statuses[path] = response.status;
  await response.text();
}
const model = "helix-tiny";
for (const [path, body] of Object.entries({
  "/v1/rerank": { model, query: "a", documents: ["b", "c"] }, "/rerank": { model, query: "a", documents: ["b", "c"] },
  "/v1/score": { model, text_1: "a", text_2: ["b"] }, "/score": { model, text_1: "a", text_2: ["b"] },
  "/v1/tokenize": { model, prompt: "a b" }, "/tokenize": { model, prompt: "a b" }, "/v1/detokenize": { model, tokens: [1, 2] }, "/detokenize": { model, tokens: [1, 2] },
  "/api/pull": { model, stream: false },
})) {
  const response = await post(path, body);
  seen.statuses[path] = response.status;
  await response.text();
}
console.log(JSON.stringify(seen));
