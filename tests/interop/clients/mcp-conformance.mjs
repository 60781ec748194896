// Runs the scenarios of the MCP project's conformance suite that apply to this server, and prints how each ended as one line of JSON.
// The suite knows no keys: they are added on the way.
import { spawn } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import { tmpdir } from "node:os";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const [, , base, key, ...scenarios] = process.argv;
const server = new URL(base);
const way = http.createServer((request, response) => {
  const onward = http.request({ host: server.hostname, port: server.port, path: request.url, method: request.method, headers: { ...request.headers, authorization: `Bearer ${key}` } }, answer => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  onward.on("error", () => response.destroy());
  request.pipe(onward);
});
way.listen(0, "127.0.0.1");
await once(way, "listening");

const suite = fileURLToPath(import.meta.resolve("@modelcontextprotocol/conformance/package.json")).replace("package.json", "dist/index.js");
const folder = await mkdtemp(join(tmpdir(), "helixflow-conformance-"));
const seen = {};
for (const scenario of scenarios) {
  const run = spawn(process.execPath, [suite, "server", "--url", `http://127.0.0.1:${way.address().port}/mcp`, "--scenario", scenario, "--output-dir", folder], { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  run.stdout.on("data", chunk => { said += chunk; });
  run.stderr.on("data", chunk => { said += chunk; });
  const [code] = await once(run, "close");
  const [, passed, total, failed, warnings] = /Passed: (\d+)\/(\d+), (\d+) failed, (\d+) warnings/.exec(said) ?? [];
  seen[scenario] = [code, passed > 0 && passed === total, failed, warnings];
  if (code !== 0) process.stderr.write(said);
}
await rm(folder, { recursive: true });
way.closeAllConnections();
way.close();
console.log(JSON.stringify(seen));
