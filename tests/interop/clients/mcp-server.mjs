// An MCP server with tools of each kind, written with the protocol's own SDK:
//   node clients/mcp-server.mjs stdio            over standard streams
//   node clients/mcp-server.mjs http [TOKEN]     streamable HTTP on a free port of 127.0.0.1, which it prints; with TOKEN only for those who send it
// What was called is counted, and told by the tool "counts".
import { createServer } from "node:http";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { z } from "zod";

const [mode, token] = process.argv.slice(2);
const counts = {};
const keys = new Set();

function count(name, extra) {
  counts[name] = (counts[name] ?? 0) + 1;
  if (extra?._meta?.["helixflow/idempotency-key"]) keys.add(extra._meta["helixflow/idempotency-key"]);
}

const text = value => ({ content: [{ type: "text", text: value }] });

function build() {
  const server = new McpServer({ name: "shelf", version: "1.0.0" });
  server.registerTool("look", { description: "Looks at the shelf.", inputSchema: { shelf: z.enum(["upper", "lower"]) }, annotations: { readOnlyHint: true } }, ({ shelf }, extra) => {
    count("look", extra);
    return text(`The ${shelf} shelf has three books.`);
  });
  server.registerTool("label", { description: "Labels the shelf.", inputSchema: { label: z.literal("books") }, annotations: { idempotentHint: true, destructiveHint: false } }, ({ label }, extra) => {
    count("label", extra);
    return text(`Labelled ${label}.`);
  });
  server.registerTool("add", { description: "Adds a book.", inputSchema: { title: z.string() }, annotations: { destructiveHint: false } }, ({ title }, extra) => {
    count("add", extra);
    return text(`Added ${title}.`);
  });
  server.registerTool("burn", { description: "Burns the shelf." }, extra => {
    count("burn", extra);
    return { content: [{ type: "text", text: "It will not burn." }], isError: true };
  });
  server.registerTool("structured", { description: "Tells numbers.", annotations: { readOnlyHint: true } }, extra => {
    count("structured", extra);
    return { content: [], structuredContent: { books: 3 } };
  });
  server.registerTool("hang", { description: "Never answers." }, extra => {
    count("hang", extra);
    return new Promise(() => {});
  });
  server.registerTool("much", { description: "Says very much.", annotations: { readOnlyHint: true } }, extra => {
    count("much", extra);
    return text("m".repeat(64 << 20));
  });
  server.registerTool("environment", { description: "Tells an environment variable.", inputSchema: { name: z.string() }, annotations: { readOnlyHint: true } }, ({ name }) =>
    text(process.env[name] ?? "(not set)"));
  server.registerTool("counts", { description: "Tells what was called.", annotations: { readOnlyHint: true } }, () => text(JSON.stringify({ counts, keys: keys.size })));
  return server;
}

if (mode === "stdio") {
  await build().connect(new StdioServerTransport());
} else {
  const http = createServer(async (request, response) => {
    if (token && request.headers.authorization !== `Bearer ${token}`) {
      response.writeHead(401).end();
      return;
    }
    // Without sessions: each request has a server of its own, as the newer revisions of the protocol have it.
    const server = build();
    const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
    response.on("close", () => { transport.close(); server.close(); });
    await server.connect(transport);
    await transport.handleRequest(request, response);
  });
  http.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${http.address().port}/mcp`));
  process.stdin.on("end", () => process.exit(0)).resume();
}
