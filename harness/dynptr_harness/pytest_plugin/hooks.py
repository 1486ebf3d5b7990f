"""The pytest plugin: cells as test items, and fixtures for users' tests.

`pytest --kernel 6.12 -k "lsm and RSV"` runs the cells of `dynptr-harness run`. Each cell is an item,
dynptr-harness/KERNEL/TYPE::CASE[LOADER], collected after the project's tests unless paths are named.
Without --kernel and its fixtures the plugin does nothing. Its parts are imported when needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from dynptr_harness.kernels.model import Kernel
    from dynptr_harness.pytest_plugin.fixtures import Bpf, Guest

DEFAULT_KERNEL = "6.12"  # for tests that use the fixtures, without --kernel
# Private fixtures below the public ones. A project can override `kernel` without a clash of names.
KERNEL, PROG_TYPE = "dynptr_harness_kernel", "dynptr_harness_prog_type"
FOR_WORKERS = "dynptr_harness"  # key in xdist's workerinput of the resolved options
CONSOLE_LINES = 40


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --kernel and the options of machines. The latter are those of `dynptr-harness run`."""
    group = parser.getgroup("dynptr-harness", "BPF on real kernels (dynptr-harness)")
    group.addoption(
        "--kernel",
        action="append",
        default=[],
        metavar="KERNEL",
        dest="dynptr_kernels",
        help="Kernel to test, as for `dynptr-harness run --kernel`; repeatable.",
    )
    group.addoption(
        "--modules", metavar="DIR", dest="dynptr_modules", help="Modules of a kernel given as a file."
    )
    group.addoption(
        "--append",
        action="append",
        default=[],
        metavar="ARGS",
        dest="dynptr_append",
        help="Add kernel arguments, such as 'nokaslr slub_debug=FZ'; repeatable.",
    )
    group.addoption(
        "--accel",
        choices=("auto", "kvm", "tcg"),
        default="auto",
        dest="dynptr_accel",
        help="Accelerator of QEMU; auto uses KVM if it works.",
    )
    group.addoption(
        "--cpus", type=int, default=2, metavar="N", dest="dynptr_cpus", help="Number of CPUs of the guest."
    )
    group.addoption(
        "--memory",
        type=int,
        default=1024,
        metavar="MIB",
        dest="dynptr_memory",
        help="Memory of the guest in MiB.",
    )
    group.addoption(
        "--no-snapshot", action="store_true", dest="dynptr_no_snapshot", help="Boot every machine."
    )
    group.addoption(
        "--offline",
        action="store_true",
        dest="dynptr_offline",
        help="Use the cache of dynptr-harness only; fetch nothing.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers and resolve --kernel."""
    config.addinivalue_line(
        "markers", "min_kernel(version): skip the test on kernels older than this, such as '6.12'"
    )
    config.addinivalue_line(
        "markers", "prog_types(*names): program types of the fixture prog_type; globs allowed"
    )
    config.option.dynptr_cells = False
    if hasattr(config, "workerinput"):  # a worker of xdist gets the kernels from the controller
        vars(config.option).update(config.workerinput[FOR_WORKERS])
    elif config.option.dynptr_kernels:
        config.option.dynptr_cells = config.args_source is not pytest.Config.ArgsSource.ARGS
        config.option.dynptr_kernels = _resolved(config)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Send the resolved options to a worker of xdist."""
    options = vars(node.config.option)
    node.workerinput[FOR_WORKERS] = {name: options[name] for name in ("dynptr_kernels", "dynptr_cells")}


def _resolved(config: pytest.Config) -> list[str]:
    """Return the selected kernels: the selector itself, or the releases if it matches several."""
    from dynptr_harness.core.errors import HarnessError
    from dynptr_harness.core.progress import Silent
    from dynptr_harness.kernels import choose
    from dynptr_harness.pytest_plugin import options

    found, selector = dict[str, str](), ""
    try:
        settings, modules = options.settings(config), options.machine(config).modules
        for selector in config.option.dynptr_kernels:
            choices = choose([selector], settings=settings, progress=Silent(), modules=modules)
            for choice in choices:
                found.setdefault(choice.name, selector if len(choices) == 1 else choice.name)
    except HarnessError as error:
        where = f"--kernel {selector}: " if selector else ""
        raise pytest.UsageError(f"{where}{error.fact}\n{error.hint}".rstrip()) from error
    return list(found.values())


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Collect cells after the project's tests."""
    report = yield
    if isinstance(collector, pytest.Session) and collector.config.option.dynptr_cells:
        from dynptr_harness.pytest_plugin.items import collectors

        report.result = [*report.result, *collectors(collector, collector.config.option.dynptr_kernels)]
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Distribute cells by kernel and type, unless --dist is given."""
    if config.option.dynptr_kernels and config.getvalue("dist") == "load":
        from dynptr_harness.pytest_plugin.xdist import ByKernel

        return ByKernel(config, log)
    return None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrize tests by kernel and program type."""
    if KERNEL in metafunc.fixturenames:
        kernels = metafunc.config.option.dynptr_kernels or [DEFAULT_KERNEL]
        metafunc.parametrize(KERNEL, kernels)
    if PROG_TYPE in metafunc.fixturenames:
        metafunc.parametrize(PROG_TYPE, _prog_types(metafunc.definition))


def _prog_types(node: pytest.Item) -> list[str]:
    from dynptr_harness.conformance import plan
    from dynptr_harness.conformance.prog_types import PROG_TYPES
    from dynptr_harness.core.errors import WrongUsage

    marker = node.get_closest_marker("prog_types")
    names = [each.name for each in PROG_TYPES if marker or not each.is_variant]
    try:
        chosen = plan.select(names, marker.args if marker else (), what="program type", command="types")
    except WrongUsage as error:
        raise pytest.UsageError(f"{node.nodeid}: {error.fact}\n{error.hint}") from error
    return [name.lower() for name in names if name in chosen]


@pytest.fixture
def kernel(request: pytest.FixtureRequest, dynptr_harness_kernel: str) -> Kernel:
    """The kernel under test, with `release` and `package`. Skips the test if min_kernel is newer."""
    from dynptr_harness.core.kernel_version import KernelVersion
    from dynptr_harness.pytest_plugin import stash
    from dynptr_harness.pytest_plugin.errors import or_fail

    found = or_fail(lambda: stash.session(request.config).prepared(dynptr_harness_kernel).kernel)
    marker = request.node.get_closest_marker("min_kernel")
    if marker and KernelVersion(found.release).major_minor < KernelVersion(marker.args[0]).major_minor:
        pytest.skip(f"{found.release} is older than {marker.args[0]}")
    return found


@pytest.fixture
def prog_type(dynptr_harness_prog_type: str) -> str:
    """A program type in lower case. The marker prog_types selects the types; the default is all."""
    return dynptr_harness_prog_type


@pytest.fixture
def machine(
    request: pytest.FixtureRequest,
    kernel: Kernel,
    dynptr_harness_kernel: str,
) -> Iterator[Guest]:
    """A fresh VM with the kernel under test; see dynptr_harness.pytest_plugin.fixtures.Guest."""
    from dynptr_harness.core.text import console_part
    from dynptr_harness.pytest_plugin import stash
    from dynptr_harness.pytest_plugin.errors import or_fail
    from dynptr_harness.pytest_plugin.fixtures import Guest

    session = stash.session(request.config)
    kernel = session.prepared(dynptr_harness_kernel).kernel
    guest = or_fail(lambda: Guest(session, session.machine(dynptr_harness_kernel), kernel))
    yield guest
    session.clear()
    console = guest.console.read_text(errors="replace")
    request.node.add_report_section("teardown", "console", "\n".join(console_part(console, CONSOLE_LINES)))


@pytest.fixture
def bpf(request: pytest.FixtureRequest, machine: Guest) -> Bpf:
    """A loader of C files relative to the test file; see dynptr_harness.pytest_plugin.fixtures.Bpf."""
    from dynptr_harness.pytest_plugin.fixtures import Bpf

    return Bpf(machine, request.path.parent)
