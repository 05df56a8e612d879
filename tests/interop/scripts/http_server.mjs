// An HTTP server on Node: HTTP/1.1 in clear text, or HTTP/2 over TLS with a certificate and a key.
//
// Prints {"port": n} when it listens, then one JSON line for each request, before it is answered.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createSecureServer } from "node:http2";

const say = (event) => process.stdout.write(JSON.stringify(event) + "\n");

const pairs = (flat) => {
  const found = [];
  for (let i = 0; i < flat.length; i += 2) found.push([flat[i].toLowerCase(), flat[i + 1]]);
  return found;
};

const take = (request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    const body = Buffer.concat(chunks);
    say({
      method: request.method,
      target: request.url,
      version: `HTTP/${request.httpVersion}`,
      headers: pairs(request.rawHeaders),
      body: body.toString("hex"),
      peer: request.socket.remotePort,
    });
    const status = /^\/status\/(\d+)$/.exec(request.url);
    response.writeHead(status ? Number(status[1]) : 200, {
      "content-type": "application/json",
      "x-answered-by": "node",
    });
    response.end(JSON.stringify({ taken: body.length }));
  });
};

const [cert, key] = process.argv.slice(2);
const server = cert
  ? createSecureServer({ cert: readFileSync(cert), key: readFileSync(key) }, take)
  : createServer(take);
server.listen(0, "127.0.0.1", () => say({ port: server.address().port }));

// The end of standard input is the end of the harness.
process.stdin.on("end", () => process.exit(0)).resume();
