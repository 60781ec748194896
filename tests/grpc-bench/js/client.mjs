// The benchmark's client: client.mjs ADDRESS, then one line of input a measurement, "SCENARIO SECONDS", answered with "OPERATIONS SECONDS".
//   unary-N: N calls in flight; stream: messages of one call.
import { createInterface } from "node:readline";
import { Bench, grpc } from "./service.mjs";

const client = new Bench(process.argv[2], grpc.credentials.createInsecure());
const request = { sequence: 123456, token: 4711, log_probability: -0.25, text: "sixteen letters." };

function unary(inFlight, seconds) {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    let operations = 0;
    let running = inFlight;
    const next = () => client.Echo(request, (error, response) => {
      if (error || response.sequence !== request.sequence) {
        reject(error ?? new Error("wrong answer"));
        return;
      }
      operations++;
      const elapsed = (performance.now() - start) / 1000;
      if (elapsed < seconds) {
        next();
      } else if (--running === 0) {
        resolve([operations, elapsed]);
      }
    });
    for (let i = 0; i < inFlight; i++) {
      next();
    }
  });
}

function stream(seconds) {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    let operations = 0;
    let elapsed = 0;
    const call = client.Tokens({ text: request.text });
    call.on("data", (event) => {
      if (elapsed === 0) {
        if (event.sequence !== operations++) {
          reject(new Error("wrong answer"));
        }
        const now = (performance.now() - start) / 1000;
        if (now >= seconds) {
          elapsed = now;
          call.cancel();
        }
      }
    });
    call.on("error", (error) => error.code === grpc.status.CANCELLED ? resolve([operations, elapsed]) : reject(error));
    call.on("end", () => resolve([operations, elapsed]));
  });
}

for await (const line of createInterface({ input: process.stdin })) {
  const [scenario, seconds] = line.split(" ");
  const [operations, elapsed] = scenario === "stream"
    ? await stream(Number(seconds))
    : await unary(Number(scenario.slice("unary-".length)), Number(seconds));
  console.log(`${operations} ${elapsed.toFixed(6)}`);
}
process.exit(0);
