"""`probe --minimum` on the oldest and the newest kernel with the helper."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.unit.schemas import validated

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.vm

DEADLINE_S = 300.0
# A global function can take a dynptr since v6.8 (a64bfe618665). Before v6.3, the verifier does not check the
# variable offset of a dynptr on the stack (79168a669d81).
PROGRAMS = """\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
char LICENSE[] SEC("license") = "GPL";
struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 4096); } ring SEC(".maps");
__noinline int fill(struct bpf_dynptr *ptr)
{
	__u64 value = 1;
	return bpf_dynptr_write(ptr, 0, &value, sizeof(value), 0);
}
SEC("raw_tp/sys_enter") int always(void *ctx)
{
	struct bpf_dynptr ptr;
	bpf_ringbuf_reserve_dynptr(&ring, 8, 0, &ptr);
	bpf_ringbuf_submit_dynptr(&ptr, 0);
	return 0;
}
SEC("raw_tp/sys_enter") int later(void *ctx)
{
	struct bpf_dynptr ptr;
	bpf_ringbuf_reserve_dynptr(&ring, 8, 0, &ptr);
	fill(&ptr);
	bpf_ringbuf_submit_dynptr(&ptr, 0);
	return 0;
}
SEC("raw_tp/sys_enter") int no_longer(void *ctx)
{
	struct bpf_dynptr ptrs[2];
	__u32 which = bpf_get_prandom_u32() & 1;
	bpf_ringbuf_reserve_dynptr(&ring, 8, 0, &ptrs[which]);
	bpf_ringbuf_submit_dynptr(&ptrs[which], 0);
	return 0;
}
SEC("raw_tp/sys_enter") int never(void *ctx)
{
	struct bpf_dynptr ptr;
	bpf_ringbuf_reserve_dynptr(&ring, 8, 0, &ptr);
	return 0;
}
"""


def test_the_minimum_and_later_changes_of_real_kernels(tmp_path: Path) -> None:
    file = tmp_path / "programs.bpf.c"
    file.write_text(PROGRAMS)
    command = [sys.executable, "-m", "dynptr_harness", "probe", "-q", str(file), "--minimum", "--json"]
    ended = subprocess.run(
        [*command, "--kernel", "6.1", "--kernel", "newest"],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert ended.returncode == 1, ended.stderr
    document = validated("probe", ended.stdout)
    assert document["not_answered"] == [], json.dumps(document["not_answered"])
    old, new = dict.fromkeys(each["kernel"] for each in document["answers"])
    assert old.startswith("6.1.")
    found = {
        each["function"]: (each["oldest"], [change["kernel"] for change in each["changes"]])
        for each in document["minimum"]
    }
    assert found == {
        "always": (old, []),
        "later": (new, []),
        "no_longer": (old, [new]),
        "never": (None, []),
    }
