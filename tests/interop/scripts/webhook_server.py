"""Receives and signs webhooks: HMAC by the package `standardwebhooks`, Ed25519 by `cryptography`.

Arguments: a secret (whsec_...), a private key (whsk_..., the seed), a public key (whpk_...).
Prints {"port": n} when it listens, then one JSON line for each request.
  /hmac, /ed25519            verifies the body as it came: 204, or 401 with the reason
  /sign/hmac, /sign/ed25519  answers with the body, signed
"""

import base64
import json
import sys
import threading
import time
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from standardwebhooks import Webhook, WebhookVerificationError

SECRET, PRIVATE, PUBLIC = sys.argv[1:]
HMAC = Webhook(SECRET)
PRIVATE = Ed25519PrivateKey.from_private_bytes(base64.b64decode(PRIVATE.removeprefix("whsk_")))
PUBLIC = Ed25519PublicKey.from_public_bytes(base64.b64decode(PUBLIC.removeprefix("whpk_")))
ID = "msg_from_python"


def content(message, timestamp, body):
    return b"%s.%s.%s" % (message.encode(), timestamp.encode(), body)


def verify_ed25519(headers, body):
    signed = content(headers["webhook-id"], headers["webhook-timestamp"], body)
    for signature in headers["webhook-signature"].split(" "):
        version, _, text = signature.partition(",")
        try:
            if version == "v1a":
                return PUBLIC.verify(base64.b64decode(text, validate=True), signed)
        except InvalidSignature:
            pass
    raise WebhookVerificationError("No matching signature found")


def sign_ed25519(timestamp, body):
    signature = PRIVATE.sign(content(ID, timestamp, body))
    return "v1a," + base64.b64encode(signature).decode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        now = int(time.time())
        try:
            if self.path == "/hmac":
                HMAC.verify(body, headers, json_parse=False)
                self.answer(204)
            elif self.path == "/ed25519":
                verify_ed25519(headers, body)
                self.answer(204)
            elif self.path == "/sign/hmac":
                at = datetime.fromtimestamp(now, tz=timezone.utc)
                self.signed(now, HMAC.sign(ID, at, body.decode()), body)
            else:
                self.signed(now, sign_ed25519(str(now), body), body)
        except WebhookVerificationError as error:
            self.answer(401, str(error).encode())

    def signed(self, now, signature, body):
        self.answer(
            200,
            body,
            {
                "webhook-id": ID,
                "webhook-timestamp": str(now),
                "webhook-signature": signature,
            },
        )

    def answer(self, status, body=b"", headers={}):
        print(json.dumps({"path": self.path, "status": status}), flush=True)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True


def main():
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({"port": server.server_address[1]}), flush=True)
    # The end of standard input is the end of the harness.
    sys.stdin.read()


main()
