// Lets the official JavaScript client run tools against a server that answers by a script, and prints what it saw as one line of JSON.
import "../contract.mjs";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: process.argv[3], maxRetries: 0 });
const seen = {};

async function run(stream) {
  const result = { ran: [] };
  const tools = [{
    type: "function",
    function: {
      name: "get_weather",
      description: "The weather of a city.",
      parameters: { type: "object", properties: { city: { type: "string" } } },
      function: text => { result.ran.push(`get_weather(${text})`); return "21"; },
    },
  }];
  const runner = client.chat.completions.runTools({ model: "m", stream, messages: [{ role: "user", content: "How warm is it?" }], tools });
  result.final = await runner.finalContent();
  const first = (await runner.allChatCompletions())[0].choices[0];
  result.finish = first.finish_reason;
  result.ids = first.message.tool_calls.map(call => call.id);
  const answered = runner.messages.filter(message => message.role === "tool").map(message => message.tool_call_id);
  if (JSON.stringify(answered) !== JSON.stringify(result.ids)) throw new Error("results do not answer the calls");
  return result;
}

seen.whole = await run(false);
seen.streamed = await run(true);

const stream = client.chat.completions.stream({
  model: "m",
  messages: [{ role: "user", content: "How warm is it?" }],
  tools: [{ type: "function", function: { name: "get_weather", parameters: { type: "object", properties: {} } } }],
});
seen.reasoning = "";
stream.on("chunk", chunk => { seen.reasoning += chunk.choices[0]?.delta?.reasoning_content ?? ""; });
seen.accumulated = (await stream.finalChatCompletion()).choices[0].message.tool_calls.map(call => call.function.arguments);
console.log(JSON.stringify(seen));
