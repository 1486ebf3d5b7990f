"""The report as JUnit XML for CI systems: a suite for each kernel, a class for each program type."""
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import TYPE_CHECKING

from junitparser import Error, Failure, JUnitXml, TestCase, TestSuite

from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.core.text import printable
from dynptr_harness.results.model import UNANSWERED

if TYPE_CHECKING:
    from dynptr_harness.conformance.cell import CellResult
    from dynptr_harness.results.model import KernelRun, RunResult


def as_junit(result: RunResult) -> bytes:
    """Return the report as UTF-8 XML.

    An unexpected result is a failure, a missing one an error. Neither is a skip, because CI systems show
    skips as good.
    """
    root = JUnitXml("dynptr-harness")
    for kernel in result.run.kernels:
        root.append(_suite(result, kernel))
    root.update_statistics()
    xml: bytes = root.tostring()
    return xml


def _suite(result: RunResult, kernel: KernelRun) -> TestSuite:
    suite = TestSuite(kernel.release)
    shards = [run for run in result.run.shards if kernel.release in {each.release for each in run.kernels}]
    suite.timestamp = (shards or [result.run])[0].started.removesuffix("Z")
    for name, value in _properties(result, kernel).items():
        suite.add_property(name, printable(value))
    suite.add_testcases([_testcase(cell) for cell in result.cells_of(kernel)])
    return suite


def _properties(result: RunResult, kernel: KernelRun) -> dict[str, str]:
    facts = {name: str(value) for name, value in kernel.guest.items() if isinstance(value, str | int | float)}
    ours = {
        "harness": result.run.harness,
        "qemu": result.run.qemu,
        "ended": result.run.ended,
        "package": kernel.package,
        "package_version": kernel.package_version,
        "sha256": kernel.sha256,
        "arch": kernel.arch,
        "accelerator": kernel.accelerator,
    }
    return facts | {name: value for name, value in ours.items() if value}


def _testcase(cell: CellResult) -> TestCase:
    case = TestCase(f"{cell.case} ({cell.loader})", f"{cell.kernel}.{cell.prog_type}", cell.seconds)
    if not cell.ok:
        kind = Error if cell.verdict in UNANSWERED else Failure
        problem = kind(printable(f"{cell.verdict}: {cell.seen}"), cell.verdict.value)
        problem.text = printable(f"expected: {cell.expected}\nseen: {cell.seen}")
        case.result = problem
    if cell.ok and cell.verdict is not Verdict.PASS:
        reason = f": {cell.reason}" if cell.reason else ""
        case.system_out = printable(f"{cell.verdict}{reason}\nexpected: {cell.expected}\nseen: {cell.seen}")
    if not cell.ok and cell.log:
        case.system_out = printable(f"verifier log:\n{cell.log}")
    if not cell.ok and cell.console:
        case.system_err = printable(f"console:\n{cell.console}")
    return case
