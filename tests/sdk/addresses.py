"""The SDK's connector for sandboxd, by REST and gRPC, to a pod's own address."""
import sys

import requests
from k8s_agent_sandbox import SandboxClient
from k8s_agent_sandbox.exceptions import SandboxRequestError
from k8s_agent_sandbox.models import (
    SandboxdInClusterConnectionConfig,
    SandboxdPodTunnelConnectionConfig,
    SandboxInClusterConnectionConfig,
)
from setting import NS, ON_CLUSTER

# On a cluster, who is not in it forwards a port.
direct = SandboxdInClusterConnectionConfig(mode="in-cluster-pod-ip")
client = SandboxClient(connection_config=SandboxdPodTunnelConnectionConfig() if ON_CLUSTER else direct)
sandbox = client.create_sandbox("plain" if ON_CLUSTER else "py-pool", NS)

ran = sandbox.commands.run("echo $A; pwd; exit 3", env={"A": "1"}, cwd="/workspace")
assert (ran.stdout, ran.exit_code) == ("1\n/workspace\n", 3), ran
assert sandbox.commands.run("sleep 60", command_timeout=1).timed_out

sandbox.files.write("dir/a.txt", b"text")
assert sandbox.files.read("dir/a.txt") == b"text"
assert sandbox.files.exists("dir/a.txt") and not sandbox.files.exists("dir/none")
assert [(entry.name, entry.mode) for entry in sandbox.files.list("dir")] == [("a.txt", "0644")]
sandbox.files.delete("dir/a.txt")
assert not sandbox.files.exists("dir/a.txt")
try:
    sandbox.files.read("dir/a.txt")
    raise AssertionError("a file that is not there was read")
except SandboxRequestError as error:
    assert error.status_code == 404, error

if ON_CLUSTER:
    client.delete_sandbox(sandbox.claim_name, NS)
    print("all done")
    sys.exit()

address = sandbox.get_pod_ip()
assert address.startswith("127."), address
legacy = SandboxClient(connection_config=SandboxInClusterConnectionConfig()).get_sandbox(sandbox.claim_name)
assert legacy.commands.run("echo hi").stdout == "hi\n"

page = requests.post(f"http://{address}:8888/execute", data='{"command": "id"}', headers={"Origin": "http://example.com"})
assert page.status_code == 403, page

client.delete_sandbox(sandbox.claim_name)
try:
    requests.get(f"http://{address}:8080/v1/health", timeout=5)
    raise AssertionError("the address of a sandbox that is gone is still served")
except requests.exceptions.ConnectionError:
    pass
print("all done")
