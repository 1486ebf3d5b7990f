"""The judge: it turns the reply of the agent into a verdict."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from errno import EOPNOTSUPP
from typing import TYPE_CHECKING, Any

from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.core.kernel_version import HELPER_SINCE, KernelVersion
from dynptr_harness.protocol import kconfig
from dynptr_harness.protocol.kfuncs import KFUNCS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dynptr_harness.conformance.case import Case
    from dynptr_harness.conformance.experiments.base import Finding, Reply
    from dynptr_harness.conformance.prog_types import ProgType, Version

OVERWRITING_SINCE: Version = (6, 19)

ATTACHED = "the program is attached"  # the expectation when an attach fails
NOT_TO_BE_HAD = "not to be had here"  # the reason when the guest lacks something that the case needs

# The verifier log for a helper that the kernel lacks, and for one that this program type does not offer.
ABSENT = re.compile(r"invalid func unknown#198\b")
NOT_ALLOWED = re.compile(
    r"unknown func bpf_ringbuf_reserve_dynptr#198\b"
    r"|program of this type cannot use helper bpf_ringbuf_reserve_dynptr#198\b"
)


@dataclass(frozen=True)
class Judgement:
    """The verdict of one cell. The fields are those of CellResult."""

    verdict: Verdict
    ok: bool
    expected: str
    seen: str
    log: str | None = None
    reason: str | None = None


def judge(case: Case, prog_type: ProgType, facts: Mapping[str, Any], reply: Reply) -> Judgement:
    """Judge a reply of the agent.

    Args:
        facts: facts that the agent measured. `release`, `byteorder`, `has_helper`, `kfuncs` and
            `overwriting_rings` are required, `options_set` and `options_unset` are optional.
        reply: to `case.request(prog_type)`. Kernel warnings during the request are in `splats`.
    """
    judgement = _judge_answer(case, prog_type, facts, reply)
    splats = reply.get("splats", ())
    if not splats:
        return judgement
    return _with_splats(case, KernelVersion(facts["release"]).major_minor, splats, judgement)


def _with_splats(case: Case, version: Version, splats: Sequence[str], judgement: Judgement) -> Judgement:
    """Return the judgement of a reply with kernel warnings: a failure unless all warnings are known."""
    known = [next((each for each in case.splats if each.covers(version, line)), None) for line in splats]
    unknown = [line for line, each in zip(splats, known, strict=True) if each is None]
    if unknown:
        expected = "a kernel that does not complain about itself"
        return replace(
            judgement, verdict=Verdict.FAIL, ok=False, expected=expected, seen="; ".join(unknown), reason=None
        )
    if judgement.verdict is not Verdict.PASS:
        return judgement
    reason = "; ".join(dict.fromkeys(each.source for each in known if each))
    return replace(judgement, verdict=Verdict.KNOWN_DEFECT, seen="; ".join(splats), reason=reason)


def _judge_answer(case: Case, prog_type: ProgType, facts: Mapping[str, Any], reply: Reply) -> Judgement:
    refusals = list(_refusals(reply))
    log = "\n".join(filter(None, (refusal["log"] for refusal in refusals))) or None
    if absent := _judge_missing_feature(case, prog_type, facts, reply, refusals, log):
        return absent
    if failed_start := _judge_failed_start(prog_type, reply, refusals, log):
        return failed_start
    judgement = _compare(list(case.experiment.findings(prog_type, facts, reply)), log)
    if not judgement.ok:
        judgement = _differing(case, prog_type, facts, reply, judgement)
    not_allowed = not judgement.ok and _not_allowed(refusals)
    return _judge_not_allowed(prog_type, log) if not_allowed else judgement


def _judge_missing_feature(
    case: Case,
    prog_type: ProgType,
    facts: Mapping[str, Any],
    reply: Reply,
    refusals: Sequence[dict[str, Any]],
    log: str | None,
) -> Judgement | None:
    """Return the judgement if the kernel lacks a feature that the case needs, otherwise None."""
    version = KernelVersion(facts["release"]).major_minor
    if "no_type" in reply:
        return _judge_no_type(prog_type, version, facts)
    if not case.without_helper and _lacks_helper(refusals, facts):
        return _judge_absent(version, log)
    if prog_type.is_variant and (absent := _judge_missing_attach(prog_type, version, facts, reply, log)):
        return absent
    if missing := [name for name in case.kfuncs if name not in facts["kfuncs"]]:
        return _judge_missing(missing, version, log)
    if unset := _unset_options(case, facts):
        text = f"no {unset[0]} programs: this kernel is built without {unset[1]}"
        return Judgement(Verdict.ABSENT, True, text, text, log, reason=text)
    if case.overwrites and not facts["overwriting_rings"]:
        return _judge_no_overwriting(version)
    if "unavailable" in reply:
        seen = reply["unavailable"]
        return Judgement(Verdict.ABSENT, True, seen, seen, reason=f"{NOT_TO_BE_HAD}: {seen}")
    return None


def _judge_failed_start(
    prog_type: ProgType, reply: Reply, refusals: Sequence[dict[str, Any]], log: str | None
) -> Judgement | None:
    """Return the judgement if the ring, the load or the attach failed, otherwise None."""
    if "no_ring" in reply:
        return Judgement(Verdict.FAIL, False, "a ring is made", f"refused with {-reply['no_ring']}")
    if "refused" in reply and _not_allowed(refusals):
        return _judge_not_allowed(prog_type, log)
    if "refused" in reply:
        seen = f"refused with {-reply['refused']['errno']}"
        return Judgement(Verdict.REJECTED, False, "the verifier accepts the program", seen, log)
    if "attach_failed" in reply:
        return Judgement(Verdict.FAIL, False, ATTACHED, reply["attach_failed"]["what"])
    return None


def _not_allowed(refusals: Sequence[dict[str, Any]]) -> bool:
    return any(NOT_ALLOWED.search(refusal["log"]) for refusal in refusals)


def _differing(
    case: Case, prog_type: ProgType, facts: Mapping[str, Any], reply: Reply, judgement: Judgement
) -> Judgement:
    """Judge a reply that differs from the newest kernels. This version may be expected to differ."""
    for difference in case.differences:
        if not difference.covers(KernelVersion(facts["release"]).major_minor):
            continue
        other = _compare(list(difference.experiment.findings(prog_type, facts, reply)), judgement.log)
        if other.ok:
            verdict = Verdict.KNOWN_DEFECT if difference.defect else Verdict.EXPECTED_DIFFERENCE
            return replace(judgement, verdict=verdict, ok=True, reason=difference.source)
    return judgement


def _refusals(reply: Reply) -> Iterator[dict[str, Any]]:
    if "refused" in reply:
        yield reply["refused"]
    answers = [*reply.get("functions", {}).values()]
    answers += (answer for holder in reply.get("holders", ()) for answer in holder["programs"])
    yield from (answer for answer in answers if not answer["accepted"])


def _lacks_helper(refusals: Sequence[dict[str, Any]], facts: Mapping[str, Any]) -> bool:
    """Return True if the kernel lacks the helper, even if the verifier first refused for another reason."""
    no_helper = bool(refusals) and not facts["has_helper"]
    return no_helper or any(ABSENT.search(refusal["log"]) for refusal in refusals)


def _judge_not_allowed(prog_type: ProgType, log: str | None) -> Judgement:
    """Judge a log that says that the type does not offer the helper. Some types must not offer it."""
    if not prog_type.offers_helper:
        text = "the helper is refused in this program type"
        reason = f"{prog_type.name} has a list of helpers of its own, without this one"
        return Judgement(Verdict.NOT_ALLOWED, True, text, text, log, reason)
    expected = "the helper is allowed in this program type"
    return Judgement(Verdict.NOT_ALLOWED, False, expected, "the verifier refuses it", log)


def _judge_no_type(prog_type: ProgType, version: Version, facts: Mapping[str, Any]) -> Judgement:
    """Judge a kernel that refuses every program of the type. It may be too old or built without the type."""
    seen = f"no programs of type {prog_type.name}: one that does nothing is refused, too"
    since = ".".join(map(str, prog_type.since))
    if version < prog_type.since:
        return Judgement(Verdict.ABSENT, True, seen, seen, reason=f"{seen}; the type came with {since}")
    if without := _built_without(prog_type, facts):
        reason = f"{seen}; this kernel is built without {without}"
        return Judgement(Verdict.ABSENT, True, seen, seen, reason=reason)
    expected = f"the program type, as in every kernel since {since}"
    return Judgement(Verdict.ABSENT, False, expected, seen)


def _built_without(prog_type: ProgType, facts: Mapping[str, Any]) -> str:
    """Return the option without which this kernel has no such type, or ''.

    An option that is often left out counts as missing unless it is known to be set.
    """
    if prog_type.option and prog_type.option not in facts.get("options_set", ()):
        return prog_type.option
    unset = facts.get("options_unset", ())
    return next((each for each in kconfig.options_of(prog_type.name).exist if each in unset), "")


def _judge_missing_attach(
    prog_type: ProgType, version: Version, facts: Mapping[str, Any], reply: Reply, log: str | None
) -> Judgement | None:
    """Return the judgement if the kernel lacks this way to attach a type, otherwise None.

    Older kernels refuse it with various errors. A kernel that is built without it returns EOPNOTSUPP.
    """
    if not ("refused" in reply or "attach_failed" in reply):
        return None
    since = ".".join(map(str, prog_type.since))
    if version < prog_type.since:
        text = f"no {prog_type.name}: that came with {since}"
    elif _is_unsupported(prog_type, facts, reply):
        text = f"no {prog_type.name}: this kernel is built without {prog_type.option}"
    else:
        return None
    return Judgement(Verdict.ABSENT, True, text, text, log, reason=text)


def _is_unsupported(prog_type: ProgType, facts: Mapping[str, Any], reply: Reply) -> bool:
    unset = bool(prog_type.option) and prog_type.option not in facts.get("options_set", ())
    return unset and reply.get("attach_failed", {}).get("errno") == EOPNOTSUPP


def _judge_absent(version: Version, log: str | None) -> Judgement:
    since = ".".join(map(str, HELPER_SINCE))
    if version < HELPER_SINCE:
        text = f"no helper 198: it came with {since}"
        return Judgement(Verdict.ABSENT, True, text, text, log, reason=text)
    return Judgement(
        Verdict.ABSENT, False, f"helper 198, as in every kernel since {since}", "no helper 198", log
    )


def _judge_missing(missing: Sequence[str], version: Version, log: str | None) -> Judgement:
    """Judge a kernel without these kfuncs. This is expected before the version that added them."""
    late = [name for name in missing if version < KFUNCS[name]]
    named = ", ".join(
        f"{name}: it came with {'.'.join(map(str, KFUNCS[name]))}" for name in (late or missing)
    )
    seen = f"no kfunc {', '.join(missing)}"
    if late == missing:
        return Judgement(Verdict.ABSENT, True, seen, seen, log, reason=f"no kfunc {named}")
    return Judgement(Verdict.ABSENT, False, f"kfuncs of this version: {named}", seen, log)


def _unset_options(case: Case, facts: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return a program type that the case needs and the option that the kernel lacks for it."""
    for name in case.needs_types:
        options = kconfig.options_of(name)
        for option in (*options.exist, *options.attach):
            if option in facts.get("options_unset", ()):
                return name, option
    return None


def _judge_no_overwriting(version: Version) -> Judgement:
    """Judge a kernel without overwriting rings. This is expected before the version that added them."""
    since = ".".join(map(str, OVERWRITING_SINCE))
    seen = "no ring that overwrites"
    if version < OVERWRITING_SINCE:
        return Judgement(Verdict.ABSENT, True, seen, seen, reason=f"{seen}: they came with {since}")
    return Judgement(Verdict.ABSENT, False, f"rings that overwrite, as in every kernel since {since}", seen)


def _compare(findings: Sequence[Finding], log: str | None) -> Judgement:
    """Return a pass if all findings agree. Otherwise `expected` and `seen` contain the differences only."""
    wrong = [finding for finding in findings if finding.want != finding.seen]
    shown = wrong or findings
    expected = "; ".join(f"{finding.name}: {finding.want}" for finding in shown)
    seen = "; ".join(f"{finding.name}: {finding.seen}" for finding in shown)
    if not wrong:
        return Judgement(Verdict.PASS, True, expected, seen, log)
    verdict = Verdict.NOT_FIRED if any(map(_shows_missed_runs, wrong)) else Verdict.FAIL
    return Judgement(verdict, False, expected, seen, log)


def _shows_missed_runs(finding: Finding) -> bool:
    want, seen = finding.want, finding.seen or 0
    if not (finding.name.endswith("the program ran") and isinstance(want, int) and isinstance(seen, int)):
        return False
    return seen < want
