// Follows jobs with Microsoft's own SignalR client over each of its transports, and prints what it saw as one line of JSON.
import { HttpTransportType, HubConnectionBuilder, LogLevel } from "@microsoft/signalr";

const api = process.argv[2].replace(/\/v1$/, "/api/v1/agent");
const key = process.argv[3];
const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
const call = async (method, path, body) => (await fetch(api + path, { method, headers, body: body && JSON.stringify(body) })).json();
const submit = () => call("POST", "/jobs", { type: "analyse-data", input: { data: "x,y\n1,2\n2,4\n", narrative: false } });

const connect = async (transport, accessToken = key) => {
  const connection = new HubConnectionBuilder().withUrl(`${api}/hub`, { transport, accessTokenFactory: () => accessToken }).configureLogging(LogLevel.None).build();
  await connection.start();
  return connection;
};
const all = (connection, ...call) => new Promise((resolve, reject) => {
  const items = [];
  connection.stream(...call).subscribe({ next: item => items.push(item), complete: () => resolve(items), error: reject });
});

const seen = { transports: {}, refused: [] };
for (const name of ["WebSockets", "ServerSentEvents", "LongPolling"]) {
  const connection = await connect(HttpTransportType[name]);
  const job = await submit();
  const events = await all(connection, "FollowJob", job.id, 0);
  const numbers = events.map(event => event.number);
  const later = await all(connection, "FollowJob", job.id, 2);
  const history = (await (await fetch(`${api}/jobs/${job.id}/events`, { headers })).text()).split("\n").filter(line => line.startsWith("data: ")).map(line => JSON.parse(line.slice(6)));
  seen.transports[name] = [
    numbers.every((number, i) => number === i + 1), events.at(-1).kind, JSON.stringify(history) === JSON.stringify(events), JSON.stringify(later) === JSON.stringify(events.slice(2)),
  ];
  await connection.stop();
}

const connection = await connect(HttpTransportType.WebSockets);
const states = new Map();
let tell;
const told = new Promise(resolve => { tell = resolve; });
const submitted = [];
const check = () => {
  if (submitted.length === 3 && submitted.every(id => states.get(id) === "succeeded")) tell();
};
const subscription = connection.stream("FollowProject").subscribe({
  next: job => {
    states.set(job.id, job.state);
    check();
  },
  error: error => console.error(error),
  complete: () => {},
});
for (let i = 0; i < 3; i++) submitted.push((await submit()).id);
check(); // the last one may have been told before it was answered
await told;
seen.project = submitted.every(id => states.get(id) === "succeeded");
subscription.dispose();

for (const attempt of [() => all(connection, "FollowJob", "job_none", 0), () => all(connection, "Explode"), () => connect(HttpTransportType.WebSockets, "wrong")]) {
  try {
    await attempt();
    seen.refused.push(null);
  } catch (error) {
    seen.refused.push(/There is no job|Method does not exist|401/.exec(String(error))?.[0] ?? String(error));
  }
}
await connection.stop();
console.log(JSON.stringify(seen));
