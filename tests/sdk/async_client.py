"""The same by `AsyncSandboxClient`."""
import asyncio

from k8s_agent_sandbox import AsyncSandboxClient
from setting import CONNECTION, NS


async def main():
    async with AsyncSandboxClient(connection_config=CONNECTION) as client:
        first, second = await asyncio.gather(
            client.create_sandbox("py-pool", NS, labels={"team": "x"}),
            client.create_sandbox("py-pool", NS, env={"N": "2"}),
        )
        assert first.sandbox_id != second.sandbox_id
        assert (await first.status())[0] == "SandboxReady"
        ran = await asyncio.gather(*(first.commands.run(f"echo {number}") for number in range(8)))
        assert [one.stdout for one in ran] == [f"{number}\n" for number in range(8)]
        assert (await second.commands.run("echo $N")).stdout == "2\n"

        await first.files.write("a/b", b"\x00\xff" * 1000)
        assert await first.files.read("a/b") == b"\x00\xff" * 1000
        assert await first.files.exists("a/b") and not await second.files.exists("a/b")
        assert [entry.name for entry in await first.files.list("a")] == ["b"]

        assert sorted(await client.list_all_sandboxes(NS)) == sorted([first.claim_name, second.claim_name])
        await client.delete_all()
        assert await client.list_all_sandboxes(NS) == []


asyncio.run(main())
print("all done")
