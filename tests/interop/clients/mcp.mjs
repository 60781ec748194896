// Calls the tools with the official SDK's client, over streamable HTTP or over the standard streams of `helixflow mcp`, and prints what it saw as one line of JSON.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const [, , base, key, ...command] = process.argv;
const url = base.replace(/\/v1$/, "/mcp");
const transport = bearer => command.length > 0
  ? new StdioClientTransport({ command: command[0], args: [...command.slice(1), "mcp", "--url", base.replace(/\/v1$/, "")], env: { ...process.env, HELIXFLOW_API_KEY: bearer }, stderr: "inherit" })
  : new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers: { authorization: `Bearer ${bearer}` } } });
const connect = async bearer => {
  const client = new Client({ name: "interop", version: "1" });
  await client.connect(transport(bearer));
  return client;
};
const call = async (client, name, args) => {
  const result = await client.callTool({ name, arguments: args });
  return result.isError ? { error: result.content[0].text } : result.structuredContent;
};

const seen = {};
const client = await connect(key);
seen.server = client.getServerVersion().name;
seen.instructions = client.getInstructions().includes("get_task_status");
seen.capabilities = Object.keys(client.getServerCapabilities());
const { tools } = await client.listTools();
seen.tools = tools.map(tool => tool.name);
seen.described = tools.every(tool => tool.title && tool.description && tool.inputSchema.type === "object" && tool.outputSchema.type === "object" && tool.annotations);
const summary = tools.find(tool => tool.name === "queue_summary");
seen.summary = ["text" in summary.inputSchema.properties, "idempotency_key" in summary.inputSchema.properties, summary.annotations.readOnlyHint, summary.annotations.destructiveHint];
seen.hints = tools.filter(tool => tool.annotations.readOnlyHint).map(tool => tool.name);

const args = { text: "The quick brown fox jumps over the lazy dog. The dog does not mind.", length: "short", idempotency_key: `interop-${command.length}` };
const task = await call(client, "queue_summary", args);
seen.same = (await call(client, "queue_summary", args)).task_id === task.task_id;
seen.conflict = (await call(client, "queue_summary", { ...args, length: "long" })).error.includes("idempotency_key");
let status;
do {
  status = await call(client, "get_task_status", { task_id: task.task_id, wait_seconds: 20 });
} while (!["succeeded", "dead", "cancelled"].includes(status.state));
seen.state = status.state;
const result = await call(client, "get_task_result", { task_id: task.task_id });
seen.result = [result.task_id === task.task_id, result.type, typeof result.result.summary];
seen.listed = (await call(client, "list_jobs", { state: "succeeded", limit: 100 })).tasks.some(one => one.task_id === task.task_id);
seen.page = (await call(client, "list_jobs", { limit: 1 })).tasks.length;
seen.errors = [
  (await call(client, "cancel_job", { task_id: task.task_id })).error,
  (await call(client, "get_task_status", { task_id: "job_none" })).error,
  (await call(client, "queue_summary", { text: 7 })).error,
  (await call(client, "queue_summary", { text: "A text.", colour: "red" })).error,
  (await call(client, "get_task_status", { task_id: task.task_id, wait_seconds: 1000 })).error,
].map(error => typeof error === "string" && error.length > 0);
try {
  await client.callTool({ name: "explode", arguments: {} });
} catch (error) {
  seen.unknown = error.code;
}
// Many at once, over one connection.
seen.parallel = new Set((await Promise.all(Array.from({ length: 20 }, (_, i) => call(client, "list_jobs", { limit: i + 1 })))).map(list => Array.isArray(list.tasks))).size;
await client.close();

try {
  const stranger = await connect("wrong");
  await stranger.listTools();
  seen.refused = false;
} catch (error) {
  seen.refused = /key|401/i.test(String(error));
}
console.log(JSON.stringify(seen));
process.exit(0);
