// Stands between a server and clients that are not written in JavaScript, so that what they get is checked as well: proxy.mjs URL KEY. Prints its own
// address, and ends when its input ends.
import { checkAnswer, eventChecker, report } from "../contract.mjs";
import http from "node:http";

const origin = new URL(process.argv[2]).origin;
const agent = new http.Agent({ keepAlive: true });

function relay(request, response) {
  const { "accept-encoding": _, host: __, ...headers } = request.headers; // what is packed could not be read here
  const sent = [];
  const url = origin + request.url;
  const onward = http.request(url, { method: request.method, headers, agent }, answer => {
    const seen = { status: answer.statusCode, ok: answer.statusCode < 300, headers: new Headers(Object.entries(answer.headers).map(([name, value]) => [name, String(value)])) };
    const isStream = (answer.headers["content-type"] ?? "").startsWith("text/event-stream");
    const events = isStream ? eventChecker(request.method, url, seen) : null;
    const decoder = new TextDecoder();
    let text = "";
    response.writeHead(answer.statusCode, answer.headers);
    answer.on("data", bytes => {
      const piece = decoder.decode(bytes, { stream: true });
      if (isStream) events.push(piece); else text += piece;
      response.write(bytes);
    });
    answer.on("end", () => {
      const body = Buffer.concat(sent);
      events?.end();
      checkAnswer(request.method, url, seen, text, /json/.test(request.headers["content-type"] ?? "") ? body.toString() : undefined);
      response.end();
    });
    answer.on("error", () => response.destroy());
  });
  onward.on("error", error => {
    if (!response.destroyed) report(`${request.method} ${request.url}: ${error.message}`);
    response.destroy();
  });
  response.on("close", () => { if (!response.writableFinished) onward.destroy(); });
  request.on("data", bytes => { sent.push(bytes); onward.write(bytes); });
  request.on("end", () => onward.end());
}

const server = http.createServer(relay);
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
process.stdin.resume();
process.stdin.on("end", () => { agent.destroy(); server.close(); server.closeAllConnections(); });
