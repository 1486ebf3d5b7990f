"""The model of a correct kernel that other unit tests use."""

from __future__ import annotations

import pytest
from dynptr_harness.conformance.catalogue import PROG_TYPES

from tests.unit import samples
from tests.unit.kernel_model import VERIFIER_ANSWERS, KernelModel, NotRecorded
from tests.unit.samples import CATALOGUED, answer, sample_case


def test_an_unrecorded_program_fails_and_names_make_record() -> None:
    request = sample_case("VER-999").request(PROG_TYPES[0], "bcc")
    with pytest.raises(NotRecorded, match=r"no recorded .* for ver_999, ver_999_accepted: run `make record`"):
        KernelModel().answer(request)
    assert issubclass(NotRecorded, AssertionError)


def test_a_new_row_of_the_catalogue_is_never_answered_without_a_recording(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    request = sample_case("VER-999").request(PROG_TYPES[0], "bcc")
    assert answer(request)["functions"]["ver_999_accepted"] == {"accepted": True}
    monkeypatch.setattr(samples, "CATALOGUED", {"ver_999", "ver_999_accepted"})
    with pytest.raises(NotRecorded, match="make record"):
        answer(request)


def test_every_verifier_program_of_the_catalogue_is_recorded() -> None:
    missing = sorted(CATALOGUED - VERIFIER_ANSWERS.keys())
    assert not missing, str(NotRecorded(missing))
