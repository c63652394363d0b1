"""Suspending, resuming and restoring by `PodSnapshotSandboxClient`."""
import time

from k8s_agent_sandbox.gke_extensions.snapshots import PodSnapshotSandboxClient
from setting import CONNECTION, NS, ON_CLUSTER, UNKEPT, eventually

client = PodSnapshotSandboxClient(connection_config=CONNECTION)
sandbox = client.create_sandbox(UNKEPT, namespace=NS)


def run(command):
    ran = sandbox.commands.run(command)
    assert ran.exit_code == 0, ran
    return ran.stdout


def good(response):
    assert response.success, response
    return response


def is_as_before(state):
    """Files are; processes are too where memory is kept, which a cluster's nodes do not do."""
    return run("cat state") == state and (ON_CLUSTER or run("pgrep -f 'sleep 100000' | head -1").strip() == sleeper)


# A process that lives through everything, and a file.
run("setsid sleep 100000 >/dev/null 2>&1 </dev/null & echo one > state")
sleeper = run("pgrep -f 'sleep 100000' | head -1").strip()
first = good(sandbox.snapshots.create("first")).snapshot_uid

# They are listed by the second in which they were asked for.
time.sleep(1.1)
run("echo two > state")
assert not sandbox.is_suspended()
suspended = good(sandbox.suspend())
second = suspended.snapshot_response.snapshot_uid
assert sandbox.is_suspended() and second != first
assert good(sandbox.suspend()).snapshot_response is None
assert [one.snapshot_uid for one in good(sandbox.snapshots.list()).snapshots] == [second, first]

resumed = good(sandbox.resume())
assert (resumed.restored_from_snapshot, resumed.snapshot_uid) == (True, second)
assert is_as_before("two\n")

# Back to the first one, and not while it runs.
assert "running" in sandbox.restore(first).error_reason
good(sandbox.suspend(snapshot_before_suspend=False))
restored = good(sandbox.restore(first))
assert (restored.restored_from_snapshot, restored.snapshot_uid) == (True, first)
assert is_as_before("one\n")
assert "does not exist" in sandbox.restore("snap-000000000000").error_reason

# Another sandbox from a snapshot of this one.
fork = client.create_sandbox(UNKEPT, namespace=NS, pod_annotations={"podsnapshot.gke.io/ps-name": second})
assert fork.sandbox_id != sandbox.sandbox_id
assert fork.commands.run("cat state").stdout == "two\n"
client.delete_sandbox(fork.claim_name, namespace=NS)

# A command wakes one that is suspended. On a cluster only one that was so for idleness; and there it comes back as it was left,
# not as its newest snapshot has it, which is what the SDK looks for.
good(sandbox.suspend(snapshot_before_suspend=False))
if ON_CLUSTER:
    assert "not restored" in sandbox.resume().error_reason
assert run("cat state") == "one\n" and not sandbox.is_suspended()

assert good(sandbox.snapshots.delete(first)).deleted_snapshots == [first]
assert [one.snapshot_uid for one in good(sandbox.snapshots.list()).snapshots] == [second]
assert good(sandbox.snapshots.delete_all()).deleted_snapshots == [second]
client.delete_sandbox(sandbox.claim_name, namespace=NS)
if ON_CLUSTER:
    eventually(lambda: client.list_all_sandboxes(namespace=NS) == [])
assert client.list_all_sandboxes(namespace=NS) == []
print("all done")
