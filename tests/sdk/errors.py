"""What goes wrong, and what `SandboxClient` says about it."""
import time

import kubernetes
from k8s_agent_sandbox import SandboxClient
from k8s_agent_sandbox.exceptions import (
    SandboxClaimFailedError,
    SandboxNotFoundError,
    SandboxRequestError,
    SandboxWarmPoolNotFoundError,
)
from k8s_agent_sandbox.models import SandboxDirectConnectionConfig
from setting import CONNECTION, NS, ON_CLUSTER, ROUTER

client = SandboxClient(connection_config=CONNECTION)


def raises(kind, call, status=None):
    try:
        call()
    except kind as error:
        found = getattr(error, "status_code", getattr(error, "status", None))
        assert status is None or found == status, (error, found)
        return str(error)
    raise AssertionError(f"no {kind.__name__}")


assert "nobody" in raises(SandboxWarmPoolNotFoundError, lambda: client.create_sandbox("nobody", NS))
volumes = [{"metadata": {"name": "v"}, "spec": {}}]
said = raises(SandboxClaimFailedError, lambda: client.create_sandbox("py-pool", NS, volume_claim_templates=volumes))
assert "VolumeClaimTemplatesError" in said
assert client.list_all_sandboxes(NS) == []
raises(SandboxNotFoundError, lambda: client.get_sandbox("nobody", NS, resolve_timeout=2))

sandbox = client.create_sandbox("py-pool", NS, claim_name="mine")
raises(kubernetes.client.ApiException, lambda: client.create_sandbox("py-pool", NS, claim_name="mine"), 409)
raises(ValueError, lambda: client.create_sandbox("other", NS, claim_name="mine", adopt_existing=True))

# What waits in a pool is nobody's yet. On a cluster that is for RBAC to say.
waiting = client.k8s_helper.custom_objects_api.list_namespaced_custom_object(
    "agents.x-k8s.io", "v1beta1", NS, "sandboxes", label_selector="agents.x-k8s.io/warm-pool-sandbox"
)
for other in [] if ON_CLUSTER else waiting["items"]:
    name = other["metadata"]["name"]
    raises(kubernetes.client.ApiException, lambda: client.k8s_helper.custom_objects_api.delete_namespaced_custom_object(
        "agents.x-k8s.io", "v1beta1", NS, "sandboxes", name), 409)

missing = sandbox.commands.run("no-such-command")
assert missing.exit_code == 127 and missing.stderr, missing
raises(SandboxRequestError, lambda: sandbox.files.read("no/such/file"), 404)
raises(SandboxRequestError, lambda: sandbox.files.list("no/such/dir"), 404)
raises(SandboxRequestError, lambda: sandbox.files.read("../../etc/shadow", allow_unsafe_paths=True))

# A refusal that no second try can mend comes at once: the SDK repeats a GET five times, for half a minute, after 5xx.
begun = time.monotonic()
if not ON_CLUSTER:
    closed = SandboxClient(connection_config=SandboxDirectConnectionConfig(api_url=ROUTER.replace("exeat:", "exeat:x")))
    raises(SandboxRequestError, lambda: closed.get_sandbox("mine").files.read("x"), 401)
sandbox.connector.id = "nobody"
raises(SandboxRequestError, lambda: sandbox.files.read("x"), 404)
if ON_CLUSTER:
    # Whoever forwards a port has the namespaces that the chart was told, and no others.
    sandbox.connector.namespace = "kube-system"
    raises(SandboxRequestError, lambda: sandbox.files.read("x"), 403)
assert time.monotonic() - begun < 15
client.delete_sandbox("mine", NS)
print("all done")
