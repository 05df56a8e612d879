"""A gRPC server on grpcio with its reflection service.

Prints {"port": n} when it listens, then one JSON line for each call, before it is answered.
Metadata of a call asks for other behaviour:
  x-abort: <STATUS>  ends the call with that status, and with `x-reason` in the trailers
  x-hang: 1          answers only when the client has given up, then prints {"terminated": true}
  x-echo: <value>    comes back in the head (x-echo) and in the trailers (x-echo-trailer)
  x-pushback: <ms>   ends the first call for an order with UNAVAILABLE and this as `grpc-retry-pushback-ms`
"""

import json
import pathlib
import sys
import tempfile
import threading
import time
from concurrent import futures

import grpc
from grpc_reflection.v1alpha import reflection
from grpc_tools import protoc

PRINTING = threading.Lock()


def say(event):
    with PRINTING:
        print(json.dumps(event), flush=True)


def compile_proto(out):
    here = pathlib.Path(__file__).parent
    command = ["protoc", f"-I{here}", f"--python_out={out}", f"--grpc_python_out={out}", "orders.proto"]
    if protoc.main(command) != 0:
        sys.exit("orders.proto does not compile")
    sys.path.insert(0, out)
    import orders_pb2
    import orders_pb2_grpc

    return orders_pb2, orders_pb2_grpc


def service(orders_pb2, orders_pb2_grpc):
    pushed_back = set()

    class Orders(orders_pb2_grpc.OrdersServicer):
        def Place(self, request, context):
            metadata = dict(context.invocation_metadata())
            say(
                {
                    "id": request.id,
                    "cents": request.cents,
                    "lines": [[line.sku, line.count] for line in request.lines],
                    "priority": orders_pb2.Priority.Name(request.priority),
                    "bytes": request.SerializeToString(deterministic=True).hex(),
                    "metadata": [
                        [k, v if isinstance(v, str) else v.hex()]
                        for k, v in context.invocation_metadata()
                    ],
                    "seconds_left": context.time_remaining(),
                    "at": time.monotonic(),
                }
            )
            if "x-hang" in metadata:
                gone = threading.Event()
                context.add_callback(gone.set)
                say({"terminated": gone.wait(30)})
            if "x-abort" in metadata:
                context.set_trailing_metadata((("x-reason", "asked for"),))
                context.abort(grpc.StatusCode[metadata["x-abort"]], "the caller asked for it")
            if "x-pushback" in metadata and request.id not in pushed_back:
                pushed_back.add(request.id)
                context.set_trailing_metadata((("grpc-retry-pushback-ms", metadata["x-pushback"]),))
                context.abort(grpc.StatusCode.UNAVAILABLE, "the caller asked for it")
            if "x-echo" in metadata:
                context.send_initial_metadata((("x-echo", metadata["x-echo"]),))
                context.set_trailing_metadata((("x-echo-trailer", metadata["x-echo"]),))
            return orders_pb2.Placed(order_id=request.id, total_cents=request.cents)

    return Orders()


def main():
    with tempfile.TemporaryDirectory() as out:
        orders_pb2, orders_pb2_grpc = compile_proto(out)
        server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
        orders_pb2_grpc.add_OrdersServicer_to_server(service(orders_pb2, orders_pb2_grpc), server)
        names = (
            orders_pb2.DESCRIPTOR.services_by_name["Orders"].full_name,
            reflection.SERVICE_NAME,
        )
        reflection.enable_server_reflection(names, server)
        if len(sys.argv) == 3:
            cert, key = (pathlib.Path(path).read_bytes() for path in sys.argv[1:])
            credentials = grpc.ssl_server_credentials([(key, cert)])
            port = server.add_secure_port("127.0.0.1:0", credentials)
        else:
            port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        say({"port": port})
        # The end of standard input is the end of the harness.
        sys.stdin.read()
        server.stop(None)


main()
