"""CI jobs: one for each kernel, and one that merges their results."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dynptr_harness.core.kernel_version import series_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_IMAGE = "debian:trixie"
_SET_UP = (
    "apt-get update -qq",
    "apt-get install -qq --no-install-recommends make >/dev/null",
    "make install",
    "export PATH=$PWD/.venv/bin:$PATH",
    "mkdir -p results",
)
_OPTIONS = "--baseline baselines --quiet"
_REPORTS = "--html matrix.html --markdown matrix.md --junit matrix.xml"


def as_json(releases: Sequence[str]) -> str:
    """Return the kernels as a JSON list, for any other CI service."""
    return json.dumps(_rows(releases), indent=1)


def as_github(releases: Sequence[str]) -> str:
    """Return the `matrix` of a strategy in GitHub Actions, on one line because it is the output of a job."""
    return json.dumps({"include": _rows(releases)})


def as_gitlab(releases: Sequence[str]) -> str:
    """Return a child pipeline of GitLab CI. It is JSON, which is also YAML."""
    pipeline = {
        "default": {"image": _IMAGE, "before_script": list(_SET_UP)},
        "stages": ["run", "report"],
        **{f"run {release}": _run(release) for release in releases},
        "report": {
            "stage": "report",
            "when": "always",
            "script": [
                "dynptr-harness merge results --json matrix.json",
                f"dynptr-harness report matrix.json --baseline baselines {_REPORTS}",
                "dynptr-harness diff --partial baselines matrix.json",
            ],
            "artifacts": {
                "when": "always",
                "paths": ["matrix.json", "matrix.html", "matrix.md"],
                "reports": {"junit": "matrix.xml"},
            },
        },
    }
    return json.dumps(pipeline, indent=1)


def _run(release: str) -> dict[str, Any]:
    return {
        "stage": "run",
        "script": [f"dynptr-harness run --kernel {release} {_OPTIONS} --json results/{release}.json"],
        "artifacts": {"when": "always", "paths": ["results"]},
    }


def _rows(releases: Sequence[str]) -> list[dict[str, str]]:
    return [{"kernel": release, "series": series_of(release)} for release in releases]


FORMS = {"github": as_github, "gitlab": as_gitlab, "json": as_json}
