"""On a cluster: suspended and resumed as the API has it, with what was written to the volume."""
from k8s_agent_sandbox import SandboxClient
from k8s_agent_sandbox.exceptions import SandboxRequestError
from setting import CONNECTION, NS, eventually

client = SandboxClient(connection_config=CONNECTION)
sandbox = client.create_sandbox("py-pool", NS)
sandboxes = ("agents.x-k8s.io", "v1beta1", NS, "sandboxes", sandbox.sandbox_id)


def mode(word):
    body = {"spec": {"operatingMode": word}}
    client.k8s_helper.custom_objects_api.patch_namespaced_custom_object(*sandboxes, body)


sandbox.files.write("kept", "text")
mode("Suspended")
eventually(lambda: sandbox.status()[0] == "SandboxNotReady")
try:
    sandbox.commands.run("true")
    raise AssertionError("a command in a suspended sandbox")
except SandboxRequestError as error:
    assert error.status_code == 409, error
mode("Running")
eventually(lambda: sandbox.status()[0] == "SandboxReady")
assert sandbox.commands.run("hostname").stdout == f"{sandbox.sandbox_id}\n"
assert sandbox.files.read("kept") == b"text"
client.delete_sandbox(sandbox.claim_name, NS)
eventually(lambda: client.k8s_helper.get_sandbox(sandbox.sandbox_id, NS) is None)
print("all done")
