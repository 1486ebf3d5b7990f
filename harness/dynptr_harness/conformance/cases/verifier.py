"""VER: programs that the verifier must reject, each with a correct twin that it must accept."""

from __future__ import annotations

from dynptr_harness.conformance.cases import (
    verifier_arguments,
    verifier_kinds,
    verifier_overwrite,
    verifier_release,
    verifier_rights,
    verifier_slice,
    verifier_surroundings,
)

CASES = (
    *verifier_release.CASES,
    *verifier_slice.CASES,
    *verifier_arguments.CASES,
    *verifier_overwrite.CASES,
    *verifier_kinds.CASES,
    *verifier_rights.CASES,
    *verifier_surroundings.CASES,
)
