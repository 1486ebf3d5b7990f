"""Kernel releases, as uname(2) reports them."""

from __future__ import annotations

import re


def series_of(release: str) -> str:
    """Return the series of a release: '6.12' for '6.12.117+deb13-cloud-amd64'."""
    found = re.match(r"(\d+\.\d+)", release)
    return found.group(1) if found else release
