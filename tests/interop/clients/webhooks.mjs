// Receives the webhooks of a job, verifies them with the library of the Standard Webhooks project, and prints what it saw as one line of JSON.
import { createServer } from "node:http";
import { once } from "node:events";
import { Webhook } from "standardwebhooks";

const api = process.argv[2].replace(/\/v1$/, "/api/v1/agent");
const headers = { authorization: `Bearer ${process.argv[3]}`, "content-type": "application/json" };
const call = async (method, path, body) => (await fetch(api + path, { method, headers, body: body && JSON.stringify(body) })).json();

const { secret } = await call("PUT", "/webhook-secrets/interop", {});
const webhook = new Webhook(secret);
const seen = { types: [], refused: 0, redelivered: [] };
const arrived = [];
const waiting = [];
let failures = 1;
const receiver = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks).toString("utf8");
  if (failures-- > 0) {
    response.writeHead(503, { "retry-after": "1" }).end();
    return;
  }
  const payload = webhook.verify(body, request.headers);
  try {
    webhook.verify(body.replace("job", "Job"), request.headers);
  } catch {
    seen.refused++;
  }
  response.writeHead(204).end();
  const next = waiting.shift();
  if (next) next({ payload, id: request.headers["webhook-id"] }); else arrived.push({ payload, id: request.headers["webhook-id"] });
});
receiver.listen(0, "127.0.0.1");
await once(receiver, "listening");
const take = () => arrived.length ? arrived.shift() : new Promise(resolve => waiting.push(resolve));

const url = `http://127.0.0.1:${receiver.address().port}/jobs`;
const job = await call("POST", "/jobs", { type: "analyse-data", input: { data: "x,y\n1,2\n2,4\n", narrative: false }, webhook: { url, secret_name: "interop" } });
const told = await take();
seen.types.push(told.payload.type);
seen.job = told.payload.data.job === job.id;
let delivery;
do {
  delivery = await call("GET", `/webhook-deliveries/${told.id}`);
} while (delivery.state !== "delivered");
seen.statuses = delivery.history.map(attempt => attempt.status);
await call("POST", `/webhook-deliveries/${told.id}/redeliver`);
seen.redelivered.push((await take()).id === told.id);
seen.shown = JSON.stringify(await call("GET", `/jobs/${job.id}`)).includes("whsec");
receiver.closeAllConnections();
receiver.close();
console.log(JSON.stringify(seen));
