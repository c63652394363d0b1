"""What the scripts are told of where they run: one machine, or a cluster."""
import os
import time

from k8s_agent_sandbox.models import SandboxDirectConnectionConfig

NS = os.environ.get("NAMESPACE", "default")
# The router's address. Without one the SDK's default connection is made: `kubectl port-forward` to the router's Service.
ROUTER = os.environ.get("ROUTER")
# On one machine the token is in the address; on a cluster it is somebody's own.
TOKEN = os.environ.get("TOKEN")
HEADERS = {"Authorization": f"Bearer {TOKEN}"} if TOKEN else {}
CONNECTION = SandboxDirectConnectionConfig(api_url=ROUTER, extra_headers=HEADERS) if ROUTER else None
ON_CLUSTER = "NAMESPACE" in os.environ
# A pool whose workspaces do not outlive their pods: on one machine they all do, with what runs in them.
UNKEPT = "unkept" if ON_CLUSTER else "py-pool"


def eventually(holds):
    """Waits for what a cluster does in its own time."""
    for _ in range(300):
        if holds():
            return
        time.sleep(0.2)
    raise AssertionError("it never came to be so")
