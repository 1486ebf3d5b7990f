"""The judge: from what was seen to a verdict."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from harness.conformance.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from harness.conformance.case import Case
    from harness.conformance.experiments import Finding, Reply
    from harness.conformance.prog_types import ProgType, Version

HELPER_SINCE: Version = (5, 19)  # commit bc34dee65a65

# What the verifier says of a helper that it does not have, or not for this program type.
ABSENT = re.compile(r"invalid func unknown#198\b")
NOT_ALLOWED = re.compile(
    r"unknown func bpf_ringbuf_reserve_dynptr#198\b"
    r"|program of this type cannot use helper bpf_ringbuf_reserve_dynptr#198\b"
)


@dataclass(frozen=True)
class Judgement:
    """The answer for one cell; the fields are those of a CellResult."""

    verdict: Verdict
    ok: bool
    expected: str
    seen: str
    log: str | None = None


def version_of(release: str) -> Version:
    """(major, minor) of a kernel release such as '6.12.117+deb13-cloud-amd64'."""
    found = re.match(r"(\d+)\.(\d+)", release)
    if not found:
        raise ValueError(f"no kernel release: {release!r}")
    return int(found.group(1)), int(found.group(2))


def judge(case: Case, prog_type: ProgType, facts: Mapping[str, Any], reply: Reply) -> Judgement:
    """Judge what the agent saw.

    Args:
        facts: what the agent measured of its kernel; `release` and `byteorder` are used.
        reply: the agent's answer to `case.request(prog_type)`.
    """
    version = version_of(facts["release"])
    refusals = list(_refusals(reply))
    log = "\n".join(filter(None, (refusal["log"] for refusal in refusals))) or None
    if _is_absent(refusals, prog_type, version):
        return _judge_absent(version, log)
    if any(NOT_ALLOWED.search(refusal["log"]) for refusal in refusals):
        return Judgement(
            Verdict.NOT_ALLOWED,
            False,
            "the helper is allowed in this program type",
            "the verifier refuses it",
            log,
        )
    if "refused" in reply:
        seen = f"refused with {-reply['refused']['errno']}"
        return Judgement(Verdict.REJECTED, False, "the verifier accepts the program", seen, log)
    if "attach_failed" in reply:
        return Judgement(Verdict.FAIL, False, "the program is attached", reply["attach_failed"]["what"])
    judgement = _compare(list(case.experiment.findings(prog_type, facts, reply)), log)
    return judgement if judgement.ok else _differing(case, prog_type, facts, reply, judgement)


def _differing(
    case: Case, prog_type: ProgType, facts: Mapping[str, Any], reply: Reply, judgement: Judgement
) -> Judgement:
    """The judgement of a reply that is not what the newest kernels show, but may be what this one does."""
    for difference in case.differences:
        if not difference.covers(version_of(facts["release"])):
            continue
        other = _compare(list(difference.experiment.findings(prog_type, facts, reply)), judgement.log)
        if other.ok:
            verdict = Verdict.KNOWN_DEFECT if difference.defect else Verdict.EXPECTED_DIFFERENCE
            return replace(
                judgement, verdict=verdict, ok=True, expected=f"{judgement.expected} ({difference.source})"
            )
    return judgement


def _refusals(reply: Reply) -> Iterator[dict[str, Any]]:
    if "refused" in reply:
        yield reply["refused"]
    yield from (answer for answer in reply.get("functions", {}).values() if not answer["accepted"])


def _is_absent(refusals: Sequence[dict[str, Any]], prog_type: ProgType, version: Version) -> bool:
    """The kernel lacks the helper, or the type: an unknown type is refused before the verifier logs."""
    unknown_type = version < prog_type.since and any(not refusal["log"] for refusal in refusals)
    return unknown_type or any(ABSENT.search(refusal["log"]) for refusal in refusals)


def _judge_absent(version: Version, log: str | None) -> Judgement:
    since = ".".join(map(str, HELPER_SINCE))
    if version < HELPER_SINCE:
        text = f"no helper 198: it came with {since}"
        return Judgement(Verdict.ABSENT, True, text, text, log)
    return Judgement(
        Verdict.ABSENT, False, f"helper 198, as in every kernel since {since}", "no helper 198", log
    )


def _compare(findings: Sequence[Finding], log: str | None) -> Judgement:
    """Pass when all is as wanted; otherwise expected and seen are cut down to what differs."""
    wrong = [finding for finding in findings if finding.want != finding.seen]
    told = wrong or findings
    expected = "; ".join(f"{finding.name}: {finding.want}" for finding in told)
    seen = "; ".join(f"{finding.name}: {finding.seen}" for finding in told)
    if not wrong:
        return Judgement(Verdict.PASS, True, expected, seen, log)
    never_ran = any(
        finding.name.endswith("the program ran") and finding.want and not finding.seen for finding in wrong
    )
    return Judgement(Verdict.NOT_FIRED if never_ran else Verdict.FAIL, False, expected, seen, log)
