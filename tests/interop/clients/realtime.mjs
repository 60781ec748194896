// Runs the official JavaScript client's WebSockets, Realtime and Responses, and a plain one for chat completions, and prints what they saw as
// one line of JSON. Every message of the server is checked against schemas/openapi/gateway.json.
import OpenAI from "openai";
import { OpenAIRealtimeWS } from "openai/realtime/ws";
import { ResponsesWS } from "openai/resources/responses/ws";
import net from "node:net";
import { WebSocket } from "ws";
import { checkSchema, violations } from "../contract.mjs";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: process.argv[3], maxRetries: 0 });
const model = "helix-tiny";
const question = "What is HelixFlow?";
const seen = {};
// The Realtime client always speaks TLS; the server under test does not.
const plain = { createConnection: options => net.connect({ host: options.host, port: options.port }) };
const plainUrl = path => process.argv[2].replace(/^http/, "ws") + path;

// The messages of an emitter, one at a time.
function inbox(emitter, schema) {
  const queue = [], waiting = [];
  emitter.on("event", event => { checkSchema(schema, event); const next = waiting.shift(); if (next) next(event); else queue.push(event); });
  return async type => {
    for (;;) {
      const event = queue.shift() ?? await new Promise(resolve => waiting.push(resolve));
      if (event.type === type) return event;
    }
  };
}

{
  // Keys for browsers: by the client, and the older form by hand.
  const secret = await client.realtime.clientSecrets.create({ expires_after: { anchor: "created_at", seconds: 30 }, session: { type: "realtime", model, instructions: "You are brief." } });
  const older = await client.post("/realtime/sessions", { body: { model, modalities: ["text"], instructions: "You are old." } });
  seen.secrets = [];
  for (const key of [secret.value, older.client_secret.value]) {
    const socket = new WebSocket(plainUrl("/realtime"), ["realtime", "openai-insecure-api-key." + key]);
    const session = await new Promise((resolve, reject) => { socket.on("message", data => resolve(JSON.parse(data))); socket.on("error", reject); });
    checkSchema("RealtimeServerEvent", session);
    seen.secrets.push(session.session.instructions);
    socket.close();
  }
  const held = new OpenAI({ baseURL: process.argv[2], apiKey: secret.value, maxRetries: 0 });
  seen.forbidden = await held.models.list().then(() => null, error => error.status);
}

{
  const realtime = new OpenAIRealtimeWS({ model, options: plain }, client);
  const errors = [];
  realtime.on("error", error => errors.push([error.error?.code, error.error?.param]));
  const types = [];
  realtime.on("event", event => { if (types.at(-1) !== event.type) types.push(event.type); });
  const until = inbox(realtime, "RealtimeServerEvent");
  await until("session.created");
  realtime.send({ type: "session.update", session: { type: "realtime", instructions: "You answer questions.", output_modalities: ["text"] } });
  seen.instructions = (await until("session.updated")).session.instructions;
  realtime.send({ type: "session.update", session: { type: "realtime", instructions: "", audio: { output: { voice: "marin" } } } });
  await until("error");
  realtime.send({ type: "session.update", session: { type: "realtime", instructions: "" } });
  await until("session.updated");
  realtime.send({ type: "conversation.item.create", item: { type: "message", role: "user", content: [{ type: "input_text", text: question }] } });
  await until("conversation.item.done");
  types.length = 0;
  let text = "";
  realtime.on("response.output_text.delta", event => { text += event.delta; });
  realtime.send({ type: "response.create" });
  const done = await until("response.done");
  seen.types = [...types];
  seen.realtime = [done.response.status, text, text === done.response.output[0].content[0].text, done.response.usage.total_tokens > 0];
  realtime.send({ type: "response.create", response: { max_output_tokens: 2, conversation: "none", metadata: { a: "b" } } });
  const cut = (await until("response.done")).response;
  seen.cut = [cut.status, cut.status_details.reason, cut.conversation_id, cut.metadata.a];
  realtime.send({
    type: "response.create",
    response: {
      tools: [{ type: "function", name: "get_weather", description: "The weather", parameters: { type: "object", properties: { city: { type: "string", enum: ["Rome", "Oslo"] } }, required: ["city"], additionalProperties: false } }],
      tool_choice: { type: "function", name: "get_weather" },
    },
  });
  const called = (await until("response.done")).response.output.find(item => item.type === "function_call");
  seen.called = [called.name, ["Rome", "Oslo"].includes(JSON.parse(called.arguments).city)];
  realtime.send({ type: "conversation.item.create", item: { type: "function_call_output", call_id: called.call_id, output: "22 degrees" } });
  await until("conversation.item.done");
  realtime.send({ type: "response.create" });
  await until("response.created");
  realtime.send({ type: "response.cancel" });
  const cancelled = await until("response.done");
  seen.cancelled = ["cancelled", "completed"].includes(cancelled.response.status);
  seen.errors = errors.filter(([code]) => code !== "response_cancel_not_active");
  const closed = new Promise(resolve => realtime.socket.once("close", resolve));
  realtime.close();
  seen.closed = await closed;
}

{
  const responses = new ResponsesWS(client);
  const errors = [];
  responses.on("error", error => errors.push(JSON.stringify([error.error, error.event, error.message])));
  const until = inbox(responses, "ResponseSocketServerEvent");
  responses.send({ type: "response.create", model, input: question, store: false });
  const first = (await until("response.completed")).response;
  responses.send({ type: "response.create", model, input: question, store: false, previous_response_id: first.id, stream_id: "next" });
  const second = await until("response.completed");
  seen.responses = [first.output[0].content[0].text, second.stream_id, second.response.previous_response_id === first.id, second.response.usage.input_tokens > first.usage.input_tokens];
  responses.send({ type: "response.create", model, input: question, previous_response_id: "resp_none" });
  await until("error");
  seen.responseErrors = errors.map(error => error.includes("previous_response_not_found"));
  responses.close();
}

{
  const socket = new WebSocket(plainUrl("/chat/completions"), { headers: { authorization: `Bearer ${process.argv[3]}` } });
  const messages = [], ended = [];
  socket.on("message", data => {
    const message = JSON.parse(data.toString());
    checkSchema("ChatSocketServerMessage", message);
    messages.push(message);
    if (message.done || message.error) ended.shift()?.(messages.splice(0));
  });
  await new Promise(resolve => socket.once("open", resolve));
  const ask = body => new Promise(resolve => { ended.push(resolve); socket.send(JSON.stringify(body)); });
  const chunks = await ask({ model, messages: [{ role: "user", content: question }] });
  const bad = await ask({ model });
  const again = await ask({ model, messages: [{ role: "user", content: question }], stream: false });
  seen.chat = [chunks.map(chunk => chunk.choices?.[0]?.delta.content ?? "").join(""), chunks.at(-1).done, bad[0].error.param, again[0].choices[0].message.content];
  socket.close();
}

seen.violations = violations;
console.log(JSON.stringify(seen));
