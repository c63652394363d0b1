"""Before a crash of exeat, and after it."""
import sys

from k8s_agent_sandbox import SandboxClient
from setting import CONNECTION

client = SandboxClient(connection_config=CONNECTION)
if sys.argv[1] == "before":
    sandbox = client.create_sandbox("py-pool", labels={"team": "x"})
    assert sandbox.commands.run("echo kept > file").exit_code == 0
    print(sandbox.claim_name, sandbox.sandbox_id)
else:
    claim, sandbox_id = sys.argv[2].split()
    assert client.list_all_sandboxes(label_selector="team=x") == [claim]
    sandbox = client.get_sandbox(claim)
    assert sandbox.sandbox_id == sandbox_id, sandbox.sandbox_id
    assert sandbox.commands.run("cat file").stdout == "kept\n"
    client.delete_sandbox(claim)
    assert client.list_all_sandboxes() == []
