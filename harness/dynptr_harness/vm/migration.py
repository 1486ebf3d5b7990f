"""QEMU's state to a file and back, by QMP's migration commands."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from qemu.qmp import QMPError

if TYPE_CHECKING:
    from pathlib import Path

    from qemu.qmp import EventListener, QMPClient

STATE, FACTS, CONSOLE = "state", "facts.json", "console.txt"  # files of a saved machine

# Seconds until a few hundred MB are on the disk.
SAVE_DEADLINE = 60.0
RUN_STATE_POLL = 0.005  # seconds

# mapped-ram: each page has a fixed place in the file, and pages of zeros are not written.
# multifd: several threads write and read.
CAPABILITIES = ("events", "mapped-ram", "multifd")
# No limit in bytes per second. QEMU's default, 128 MiB, is for networks: a save took 2.3 s instead of 0.2.
PARAMETERS = {"max-bandwidth": 0}


class Migration:
    """Saves and loads the state of one QEMU.

    Args:
        monitor: connected when a method is called.
        ended: done when QEMU has ended.
    """

    def __init__(self, monitor: QMPClient, ended: asyncio.Task[int]) -> None:
        self._monitor = monitor
        self._ended = ended

    async def save(self, state: Path) -> str | None:
        """Stop the guest and write its state to a file. Return the reason for a failure, else None."""
        try:
            async with asyncio.timeout(SAVE_DEADLINE):
                await self._monitor.execute("stop")
                return await self._migrate("migrate", str(state))
        except TimeoutError:
            with contextlib.suppress(QMPError):
                await self._monitor.execute("migrate_cancel")
            return f"not done after {SAVE_DEADLINE:g} s"
        except (QMPError, EOFError) as error:
            return str(error)

    async def load(self, descriptor: int) -> str | None:
        """Read the state from an inherited file descriptor. Return the reason for a failure, else None.

        Raises:
            QMPError, AssertionError, EOFError: QEMU has ended or is about to.
        """
        return await self._migrate("migrate-incoming", f"/dev/fd/{descriptor}")

    async def resume(self) -> None:
        """Resume the guest after a save.

        QEMU reports a migration as completed shortly before it accepts "cont".
        """
        while await self._run_state() == "finish-migrate":  # noqa: ASYNC110  (there is no event for it)
            await asyncio.sleep(RUN_STATE_POLL)
        await self._monitor.execute("cont")

    async def _migrate(self, command: str, file: str) -> str | None:
        # not as a URI, where a path could contain an option
        address = {"transport": "file", "filename": file, "offset": 0}
        capabilities = [{"capability": name, "state": True} for name in CAPABILITIES]
        await self._monitor.execute("migrate-set-capabilities", {"capabilities": capabilities})
        await self._monitor.execute("migrate-set-parameters", PARAMETERS)
        with self._monitor.listener("MIGRATION") as events:
            await self._monitor.execute(command, {"channels": [{"channel-type": "main", "addr": address}]})
            while (status := await self._next_status(events)) != "completed":
                if status == "failed":
                    reply = await self._monitor.execute("query-migrate")
                    return str(reply.get("error-desc") if isinstance(reply, dict) else reply)
        return None

    async def _run_state(self) -> object:
        reply = await self._monitor.execute("query-status")
        return reply["status"] if isinstance(reply, dict) else None

    async def _next_status(self, events: EventListener) -> object:
        """Return the migration status in the next event. Raise EOFError when QEMU ends."""
        event = asyncio.create_task(events.get())
        await asyncio.wait({event, self._ended}, return_when=asyncio.FIRST_COMPLETED)
        if not event.done():
            event.cancel()
            raise EOFError("QEMU ended")
        data = event.result()["data"]
        return data["status"] if isinstance(data, dict) else None
