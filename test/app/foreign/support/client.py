"""Calls Who through Python's gRPC with xDS, once for each line it reads: TARGET SECURITY SNI. One JSON line each."""

import json
import sys
import time

import grpc

target, security, sni = sys.argv[1:4]
options = [("grpc.ssl_target_name_override", sni)] if sni else []
if security == "mtls":
    channel = grpc.secure_channel(target, grpc.xds_channel_credentials(), options)
else:
    channel = grpc.insecure_channel(target, options)
who = channel.unary_unary("/shop.Cart/Who", lambda b: b, lambda b: b)

for line in sys.stdin:
    began = time.monotonic()
    try:
        told = {"answer": who(b"?", timeout=float(line) / 1000).decode()}
    except grpc.RpcError as error:
        told = {"code": error.code().value[0], "error": error.details()}
    told["tookMs"] = (time.monotonic() - began) * 1000
    print(json.dumps(told), flush=True)
