"""Scheduling of cells by pytest-xdist: by kernel and type, to let a worker reuse its VM."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from xdist.scheduler.loadscope import LoadScopeScheduling

from dynptr_harness.pytest_plugin.items import ROOT

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController


class ByKernel(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Sends the cells of a kernel and type to one worker, and keeps a worker on its kernel."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._kernels: dict[WorkerController, str] = {}

    def _split_scope(self, nodeid: str) -> str:
        node = nodeid.partition("::")[0]
        return node if node.startswith(f"{ROOT}/") else super()._split_scope(nodeid)

    def _assign_work_unit(self, node: WorkerController) -> None:
        workers = Counter(kernel for other, kernel in self._kernels.items() if other is not node)
        current = self._kernels.get(node)
        chosen = min(self.workqueue, key=lambda scope: (_kernel(scope) != current, workers[_kernel(scope)]))
        self._kernels[node] = _kernel(chosen)
        self.workqueue.move_to_end(chosen, last=False)
        super()._assign_work_unit(node)


def _kernel(scope: str) -> str:
    """Return the kernel of a scope, '' for tests that are not cells."""
    return scope.split("/")[1] if scope.startswith(f"{ROOT}/") else ""
