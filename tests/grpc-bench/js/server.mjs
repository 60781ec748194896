// The benchmark's server: prints "port N", serves until its input ends.
import { Bench, grpc } from "./service.mjs";

function echo(call, callback) {
  callback(null, call.request);
}

function tokens(call) {
  const text = call.request.text;
  let sequence = 0;
  const write = () => {
    while (!call.cancelled && !call.destroyed) {
      const more = call.write({ sequence, token: sequence % 32000, log_probability: -0.25, text });
      sequence++;
      if (!more) {
        call.once("drain", write);
        return;
      }
    }
  };
  write();
}

const server = new grpc.Server();
server.addService(Bench.service, { Echo: echo, Tokens: tokens });
server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) {
    throw error;
  }
  console.log(`port ${port}`);
});
process.stdin.on("end", () => process.exit(0)).resume();
