"""How pytest-xdist deals out cells: by kernel and type, so that a worker keeps its machine while it can."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from xdist.scheduler.loadscope import LoadScopeScheduling

from dynptr_harness.pytest_plugin.items import ROOT

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController


class ByKernel(LoadScopeScheduling):  # type: ignore[misc]  # xdist comes without types
    """Cells of a kernel and type go to one worker; it stays with its kernel as long as there are any."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._kernels: dict[WorkerController, str] = {}

    def _split_scope(self, nodeid: str) -> str:
        place = nodeid.partition("::")[0]
        return place if place.startswith(f"{ROOT}/") else super()._split_scope(nodeid)

    def _assign_work_unit(self, node: WorkerController) -> None:
        at_it = Counter(kernel for other, kernel in self._kernels.items() if other is not node)
        mine = self._kernels.get(node)
        chosen = min(self.workqueue, key=lambda scope: (_kernel(scope) != mine, at_it[_kernel(scope)]))
        self._kernels[node] = _kernel(chosen)
        self.workqueue.move_to_end(chosen, last=False)
        super()._assign_work_unit(node)


def _kernel(scope: str) -> str:
    """The kernel of a scope; '' for tests that are no cells."""
    return scope.split("/")[1] if scope.startswith(f"{ROOT}/") else ""
