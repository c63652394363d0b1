"""Through the router: gRPC with the SDK's own stubs, and a server that runs in the sandbox, by HTTP and by WebSocket."""
import base64
import socket
import time
import urllib.parse

import grpc
import requests
from k8s_agent_sandbox import SandboxClient
from k8s_agent_sandbox.commands._process_stubs import process_pb2, process_pb2_grpc
from setting import CONNECTION, NS

client = SandboxClient(connection_config=CONNECTION)
sandbox = client.create_sandbox("py-pool", NS)
router = urllib.parse.urlsplit(sandbox.connector.connect())

channel = grpc.insecure_channel(f"{router.hostname}:{router.port}")
known = [("x-sandbox-id", sandbox.sandbox_id), ("x-sandbox-namespace", NS), ("x-sandbox-port", "9090")]
login = [("authorization", f"Bearer {router.password}")] if router.password else []
stub = process_pb2_grpc.ProcessServiceStub(channel)
request = process_pb2.ExecuteRequest(config=process_pb2.ProcessConfig(command=["/bin/sh", "-c", "echo hi; exit 3"]))
answer = stub.Execute(request, metadata=known + login, timeout=30)
assert (answer.stdout, answer.exit_code) == (b"hi\n", 3), answer
nobodys = [("authorization", "Bearer nobody's")] if not login else []
try:
    stub.Execute(request, metadata=known + nobodys, timeout=30)
    raise AssertionError("gRPC without a token that is somebody's")
except grpc.RpcError as error:
    assert error.code() == grpc.StatusCode.UNAUTHENTICATED, error

SERVER = """
import base64, hashlib, http.server

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.headers.get("Upgrade") == "websocket":
            self.send_response(101)
            self.send_header("Connection", "Upgrade")
            self.send_header("Upgrade", "websocket")
            self.end_headers()
            self.wfile.write(self.rfile.read(5).upper())
            self.close_connection = True
            return
        said = repr((self.path, sorted(name.lower() for name in self.headers))).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

http.server.ThreadingHTTPServer(("0.0.0.0", 3000), Handler).serve_forever()
"""
sandbox.files.write("server.py", SERVER)
to_server = {"X-Sandbox-ID": sandbox.sandbox_id, "X-Sandbox-Namespace": NS, "X-Sandbox-Port": "3000", "X-Kept": "1"}
nobody = requests.get(f"{router.geturl()}/a%2Fb?c=%20", headers=to_server)
assert nobody.status_code == 502 and "3000" in nobody.json()["detail"], nobody.text
sandbox.commands.run("setsid python3 server.py >/dev/null 2>&1 </dev/null &")
for _ in range(100):
    got = requests.get(f"{router.geturl()}/a%2Fb?c=%20", headers=to_server)
    if got.status_code == 200:
        break
    time.sleep(0.1)
assert got.text.startswith("('/a%2Fb?c=%20', ") and "x-kept" in got.text, got.text
assert "authorization" not in got.text and "x-sandbox" not in got.text, got.text

with socket.create_connection((router.hostname, router.port), timeout=30) as stream:
    lines = ["GET /ws HTTP/1.1", "Host: x", f"X-Sandbox-ID: {sandbox.sandbox_id}", f"X-Sandbox-Namespace: {NS}"]
    if router.password:
        basic = base64.b64encode(f"exeat:{router.password}".encode()).decode()
        lines += [f"Authorization: Basic {basic}"]
    lines += ["X-Sandbox-Port: 3000", "Connection: Upgrade", "Upgrade: websocket", "", ""]
    stream.sendall("\r\n".join(lines).encode())
    heard = b""
    while b"\r\n\r\n" not in heard:
        heard += stream.recv(4096)
    assert heard.startswith(b"HTTP/1.1 101 "), heard
    stream.sendall(b"hello")
    heard = heard.split(b"\r\n\r\n", 1)[1]
    while len(heard) < 5:
        heard += stream.recv(4096)
    assert heard == b"HELLO", heard

client.delete_sandbox(sandbox.claim_name, NS)
print("all done")
