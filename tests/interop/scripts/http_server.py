"""An HTTP/1.1 server on Python's http.server; with a certificate and a key, over TLS.

Prints {"port": n} when it listens, then one JSON line for each request, before it is answered.
Paths ask for behaviour:
  /status/<n>  http.server's own error page with that status
  /big/<n>     200 with n bytes
  /closed      reads the request and closes the connection without an answer
  /short       200 with a body that ends before its Content-Length
  other        200 with {"taken": <length of the body>}
"""

import json
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PRINTING = threading.Lock()


def say(event):
    with PRINTING:
        print(json.dumps(event), flush=True)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body leave in two writes; without this the second waits for an acknowledgement.
    disable_nagle_algorithm = True

    # Methods that are not here get http.server's own 501.
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        say(
            {
                "method": self.command,
                "target": self.path,
                "version": self.request_version,
                "headers": [[name.lower(), value] for name, value in self.headers.items()],
                "body": body.hex(),
                "peer": self.client_address[1],
            }
        )
        _, first, *rest = self.path.split("?")[0].split("/")
        if first == "status":
            self.send_error(int(rest[0]))
        elif first == "big":
            self.answer(b"x" * int(rest[0]))
        elif first == "closed":
            self.close_connection = True
        elif first == "short":
            self.answer(b'{"taken":', length=1000)
            self.close_connection = True
        else:
            self.answer(json.dumps({"taken": len(body)}).encode())

    do_PUT = do_POST

    def answer(self, body, length=None):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(length or len(body)))
        self.send_header("X-Answered-By", "python")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    # A client that hangs up early, or refuses the certificate, is what some cases are about.
    def handle_error(self, request, client_address):
        print("connection ended:", sys.exc_info()[1], file=sys.stderr)


def main():
    server = Server(("127.0.0.1", 0), Handler)
    if len(sys.argv) == 3:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1], sys.argv[2])
        context.set_alpn_protocols(["http/1.1"])
        # The handshake belongs to the connection's own thread, not to the one that accepts.
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    say({"port": server.server_address[1]})
    # The end of standard input is the end of the harness.
    sys.stdin.read()


main()
