// Lets Anthropic's official client run tools against a server that answers by a script, and prints what it saw as one line of JSON.
import "../contract.mjs";
import Anthropic from "@anthropic-ai/sdk";
import { betaTool } from "@anthropic-ai/sdk/helpers/beta/json-schema";

const client = new Anthropic({ baseURL: new URL("/", process.argv[2]).toString(), apiKey: process.argv[3], maxRetries: 0 });
const seen = {};

async function run(stream) {
  const result = { ran: [] };
  const tool = (name, properties) => betaTool({
    name,
    description: "d",
    inputSchema: { type: "object", properties },
    run: input => { result.ran.push(`${name}(${JSON.stringify(input)})`); return "21"; },
  });
  const runner = client.beta.messages.toolRunner({
    model: "m", max_tokens: 64, stream, messages: [{ role: "user", content: "How warm is it?" }],
    tools: [tool("get_weather", { city: { type: "string" } }), tool("get_time", {})],
  });
  const messages = [];
  for await (const turn of runner) messages.push(stream ? await turn.finalMessage() : turn);
  result.final = messages.at(-1).content.filter(block => block.type === "text").map(block => block.text).join("");
  result.stops = messages.map(message => message.stop_reason);
  result.thinking = messages[0].content.filter(block => block.type === "thinking").map(block => block.thinking).join("");
  result.ids = messages[0].content.filter(block => block.type === "tool_use").map(block => block.id);
  return result;
}

seen.whole = await run(false);
seen.streamed = await run(true);
console.log(JSON.stringify(seen));
