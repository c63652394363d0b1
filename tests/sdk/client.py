"""The usual life of a sandbox by `SandboxClient`."""
import hashlib
import io
import os

from k8s_agent_sandbox import SandboxClient
from setting import CONNECTION, NS, ON_CLUSTER, eventually

client = SandboxClient(connection_config=CONNECTION)

given = {"labels": {"team": "x"}, "shutdown_after_seconds": 3600, "env": {"GREETING": "hello you"}}
sandbox = client.create_sandbox("py-pool", NS, **given)
assert sandbox.status()[0] == "SandboxReady", sandbox.status()

ran = sandbox.commands.run("echo $GREETING; echo oops >&2; exit 3")
assert (ran.stdout, ran.stderr, ran.exit_code) == ("hello you\n", "oops\n", 3), ran
ran = sandbox.commands.run("sleep 60", command_timeout=1)
assert ran.timed_out, ran
assert sandbox.commands.run("pwd").stdout == "/workspace\n"

sandbox.files.write("dir/ä b.txt", "text")
assert sandbox.files.read("dir/ä b.txt") == b"text"
assert sandbox.files.exists("dir/ä b.txt") and not sandbox.files.exists("dir/none")
assert [(entry.name, entry.size, entry.type) for entry in sandbox.files.list("dir")] == [("ä b.txt", 4, "file")]

# A body that nobody could hold in memory twice.
piece = os.urandom(1024 * 1024)
whole = hashlib.sha256(piece * 100).hexdigest()
sandbox.files.write("big", io.BytesIO(piece * 100), timeout=120)
assert sandbox.commands.run("sha256sum big").stdout.split()[0] == whole
got = hashlib.sha256()


class Sink:
    def write(self, data):
        got.update(data)
        return len(data)


assert sandbox.files.read_to("big", Sink(), timeout=120) == 100 * 1024 * 1024
assert got.hexdigest() == whole

assert client.list_all_sandboxes(NS) == [sandbox.claim_name]
assert client.list_all_sandboxes(NS, label_selector="team=x") == [sandbox.claim_name]
assert client.list_all_sandboxes(NS, label_selector="team=y") == []
assert client.get_sandbox_claim_warmpool_name(sandbox.claim_name, NS) == "py-pool"

again = SandboxClient(connection_config=client.connection_config).get_sandbox(sandbox.claim_name, NS)
assert again.commands.run("cat 'dir/ä b.txt'").stdout == "text"
# Its port-forward would outlive this program.
again.close_connection()

named = client.create_sandbox("py-pool", NS, claim_name="mine")
same = client.create_sandbox("py-pool", NS, claim_name="mine", adopt_existing=True)
assert same.sandbox_id == named.sandbox_id != sandbox.sandbox_id

# One whose time is over goes by itself. Where no other waits, it takes a while to be there.
time = 15 if ON_CLUSTER else 3
brief = client.create_sandbox("py-pool", NS, claim_name="brief", shutdown_after_seconds=time)
eventually(lambda: "brief" not in client.list_all_sandboxes(NS))
eventually(lambda: client.k8s_helper.get_sandbox(brief.sandbox_id, NS) is None)

client.delete_sandbox("mine", NS)
client.delete_sandbox(sandbox.claim_name, NS)
assert client.list_all_sandboxes(NS) == []
eventually(lambda: client.k8s_helper.get_sandbox(named.sandbox_id, NS) is None)
print("all done")
