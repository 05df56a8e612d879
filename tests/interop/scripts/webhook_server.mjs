// Receives and signs webhooks: HMAC by the package `standardwebhooks`, Ed25519 by Node's `crypto`.
//
// Arguments: a secret (whsec_...), a private key (whsk_..., the seed), a public key (whpk_...).
// Prints {"port": n} when it listens, then one JSON line for each request.
//   /hmac, /ed25519            verifies the body as it came: 204, or 401 with the reason
//   /sign/hmac, /sign/ed25519  answers with the body, signed

import { createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";

// Where install.sh has put the package.
const require = createRequire(join(process.env.FANOUT_INTEROP_NODE ?? ".", "package.json"));
const { Webhook } = require("standardwebhooks");

const [secret, seed, point] = process.argv.slice(2);
const hmac = new Webhook(secret);
// A bare key is the end of its DER form (RFC 8410 sections 4 and 7).
const der = (start, text) =>
  Buffer.concat([Buffer.from(start, "hex"), Buffer.from(text.slice("whsk_".length), "base64")]);
const privateKey = createPrivateKey({
  key: der("302e020100300506032b657004220420", seed),
  format: "der",
  type: "pkcs8",
});
const publicKey = createPublicKey({
  key: der("302a300506032b6570032100", point),
  format: "der",
  type: "spki",
});
const id = "msg_from_node";

const content = (message, timestamp, body) =>
  Buffer.concat([Buffer.from(`${message}.${timestamp}.`), body]);

const verifyEd25519 = (headers, body) => {
  const signed = content(headers["webhook-id"], headers["webhook-timestamp"], body);
  const fits = headers["webhook-signature"].split(" ").some((one) => {
    const [version, text] = one.split(",");
    return version === "v1a" && verify(null, signed, publicKey, Buffer.from(text, "base64"));
  });
  if (!fits) throw new Error("No matching signature found");
};

const take = (request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    const body = Buffer.concat(chunks);
    const answer = (status, answered, headers = {}) => {
      process.stdout.write(JSON.stringify({ path: request.url, status }) + "\n");
      response.writeHead(status, headers);
      response.end(answered);
    };
    const now = Math.floor(Date.now() / 1000);
    const signed = (signature) =>
      answer(200, body, {
        "webhook-id": id,
        "webhook-timestamp": String(now),
        "webhook-signature": signature,
      });
    try {
      if (request.url === "/hmac") {
        // The package parses what it has verified, and the bodies here are no JSON.
        try {
          hmac.verify(body, request.headers);
        } catch (error) {
          if (!(error instanceof SyntaxError)) throw error;
        }
        answer(204);
      } else if (request.url === "/ed25519") {
        verifyEd25519(request.headers, body);
        answer(204);
      } else if (request.url === "/sign/hmac") {
        signed(hmac.sign(id, new Date(now * 1000), body));
      } else {
        const signature = sign(null, content(id, now, body), privateKey);
        signed(`v1a,${signature.toString("base64")}`);
      }
    } catch (error) {
      answer(401, error.message);
    }
  });
};

const server = createServer(take);
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(JSON.stringify({ port: server.address().port }) + "\n");
});

// The end of standard input is the end of the harness.
process.stdin.on("end", () => process.exit(0)).resume();
