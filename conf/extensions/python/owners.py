#!/usr/bin/env python3
"""An example of an extension in Python: who owns an AWS account.

Put it into a folder with fluentsiem_transformer.proto and a virtual environment,
and name the environment's Python in the first line:

    python3 -m venv venv
    venv/bin/pip install grpcio-tools
    sed -i "1s|.*|#!$PWD/venv/bin/python|" owners.py && chmod 755 owners.py
    sha256sum owners.py

transform() is all that is particular to it. An sf_NAME.py of SIEM on Amazon
OpenSearch Service has the same function: call it there.
"""

import json
import os
import signal
import sys
from concurrent import futures

# The protocol file is compiled when the program starts; it lies beside it.
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import grpc  # noqa: E402

protocol, services = grpc.protos_and_services("fluentsiem_transformer.proto")

OWNERS = {"123456789012": "Payments", "210987654321": "Search"}


def transform(logdata):
    """Changes one document, a dict. None drops it."""
    if logdata.get("eventSource") == "health.amazonaws.com":
        return None
    account = logdata.get("cloud", {}).get("account", {}).get("id")
    if account:
        if account not in OWNERS:
            raise KeyError(f"account {account} has no owner")
        logdata.setdefault("organization", {})["name"] = OWNERS[account]
    return logdata


class Transformer(services.TransformerServicer):
    def Transform(self, request, context):
        return protocol.TransformResponse(results=[self.one(d) for d in request.documents])

    def one(self, document):
        try:
            changed = transform(json.loads(document))
            if changed is None:
                return protocol.Result(drop="not wanted")
            return protocol.Result(document=json.dumps(changed, separators=(",", ":")).encode())
        except Exception as e:  # one bad document harms no other
            return protocol.Result(error=f"{type(e).__name__}: {e}")


def serve():
    if os.environ.get("FLUENT_SIEM_EXTENSION") != "transformer or feed":
        sys.exit("This is an extension; fluent-siem starts it, see conf/extensions.md.")
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=4),
        options=[("grpc.max_receive_message_length", 32 << 20), ("grpc.max_send_message_length", 32 << 20)],
    )
    services.add_TransformerServicer_to_server(Transformer(), server)
    # grpc.health.v1: we are asked now and then whether we are well; these bytes say SERVING.
    well = grpc.unary_unary_rpc_method_handler(lambda request, context: b"\x08\x01")
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": well})])
    socket = os.path.join(os.environ["PLUGIN_UNIX_SOCKET_DIR"], "owners.sock")
    server.add_insecure_port("unix:" + socket)
    server.start()
    # go-plugin's handshake: its version, that of the protocol, where, and how.
    print(f"1|1|unix|{socket}|grpc", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: server.stop(1))
    server.wait_for_termination()


if __name__ == "__main__":
    serve()
