"""The programs of the kernel's selftests about ring-buffer dynptrs, with the cases that test the same.

File and program names are those in tools/testing/selftests/bpf/progs of Linux 6.1, 6.12 and 7.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# For each program, the cases that test the same, or the reason why there is none.
SELFTESTS: Mapping[str, Mapping[str, tuple[str, ...] | str]] = {
    # programs that the verifier must reject, with helpers for ring-buffer dynptrs
    "dynptr_fail.c": {
        "ringbuf_missing_release1": ("VER-001",),
        "ringbuf_missing_release2": ("VER-002",),
        "ringbuf_missing_release_callback": ("VER-008",),
        "ringbuf_release_uninit_dynptr": ("VER-023",),
        "use_after_invalid": ("VER-024",),
        "ringbuf_invalid_api": ("VER-054",),
        "add_dynptr_to_map1": ("VER-103",),
        "add_dynptr_to_map2": ("VER-103",),
        "data_slice_out_of_bounds_ringbuf": ("VER-042",),
        "data_slice_use_after_release1": ("VER-029",),
        "data_slice_use_after_release2": ("VER-029", "VER-032"),
        "data_slice_missing_null_check1": ("VER-040",),
        "data_slice_missing_null_check2": ("VER-041",),
        "invalid_write2": ("VER-097",),
        "invalid_write3": ("VER-098",),
        "invalid_write4": ("VER-099",),
        "global": ("VER-070",),
        "invalid_read1": ("VER-101",),
        "invalid_read3": ("VER-101",),
        "invalid_read4": ("VER-101",),
        "invalid_offset": ("VER-075",),
        "release_twice": ("VER-020",),
        "release_twice_callback": ("VER-022",),
        "dynptr_pruning_overwrite": ("VER-104",),
        "dynptr_pruning_stacksafe": ("VER-106",),
        "dynptr_pruning_type_confusion": ("VER-105",),
        "dynptr_var_off_overwrite": ("VER-078",),
        "dynptr_partial_slot_invalidate": ("VER-093",),
        "dynptr_overwrite_ref": ("VER-092",),
        "dynptr_read_into_slot": ("VER-100",),
        "uninit_write_into_slot": ("VER-100",),
        "clone_invalid2": ("VER-120",),
        "clone_invalidate1": ("VER-121",),
        "clone_invalidate2": ("VER-121",),
        "clone_invalidate3": ("VER-121",),
        "clone_invalidate4": ("VER-121",),
        "clone_invalidate5": ("VER-121",),
        "clone_invalidate6": ("VER-121",),
        "dynptr_slice_commuted_invalidate": ("VER-031",),
        "dynptr_overwrite_ref_with_clone": ("VER-122",),
        "dynptr_overwrite_ref_last_clone": ("VER-123",),
        "dynptr_overwrite_clone_with_original": ("VER-122",),
        "dynptr_overwrite_ref_invalidate_slice": ("VER-124",),
        "dynptr_overwrite_ref_clone_slice_valid": ("VER-124",),
    },
    # programs that the verifier must reject by a rule for all dynptrs; the selftests use another dynptr type
    "dynptr_fail.c, other dynptr types": {
        "data_slice_out_of_bounds_map_value": ("VER-042",),
        "invalid_helper1": ("VER-102",),
        "invalid_helper2": ("VER-077",),
        "invalid_write1": ("VER-025",),
        "invalid_read2": ("VER-073",),
        "skb_invalid_slice_write": ("VER-113",),
        "dynptr_slice_var_len1": ("VER-115",),
        "dynptr_slice_var_len2": ("VER-115",),
        "invalid_slice_rdwr_rdonly": ("VER-111",),
        "dynptr_adjust_invalid": ("VER-026",),
        "dynptr_is_null_invalid": ("VER-026",),
        "dynptr_is_rdonly_invalid": ("VER-026",),
        "dynptr_size_invalid": ("VER-026",),
        "clone_invalid1": ("VER-026",),
        "test_dynptr_skb_small_buff": "the buffer is for packets; a reservation needs none: KFN-012",
        "test_dynptr_reg_type": ("VER-131",),
        "dynptr_from_dynptr_data": ("VER-056",),
        "dynptr_from_dynptr_slice": ("VER-056",),
    },
    # programs that run with a ring-buffer dynptr
    "dynptr_success.c": {
        "test_read_write": ("DYN-001", "VER-006"),
        "test_ringbuf": ("VER-062", "VER-081"),
        "test_adjust": ("KFN-005",),
        "test_adjust_err": ("KFN-007", "KFN-008"),
        "test_zero_size_dynptr": ("KFN-006",),
        "test_dynptr_is_null": ("KFN-003", "RSV-035"),
        "test_dynptr_is_rdonly": ("KFN-002", "RSV-036"),
        "test_dynptr_copy": ("KFN-017", "KFN-018"),
        "test_dynptr_copy_xdp": "copies to and from a packet; KFN-017 copies between two reservations",
        "test_probe_read_kernel_dynptr": ("KFN-025", "KFN-026", "KFN-027"),
        "test_probe_read_kernel_str_dynptr": "like KFN-025, but for strings",
        "test_probe_read_user_dynptr": "like KFN-025, but for user memory",
        "test_probe_read_user_str_dynptr": "like KFN-025, but for user memory",
        "test_copy_from_user_dynptr": "like KFN-025, but for user memory",
        "test_copy_from_user_str_dynptr": "like KFN-025, but for user memory",
        "test_copy_from_user_task_dynptr": "like KFN-025, but for user memory",
        "test_copy_from_user_task_str_dynptr": "like KFN-025, but for user memory",
    },
    "user_ringbuf_fail.c": {
        "user_ringbuf_callback_discard_dynptr": ("VER-125",),
        "user_ringbuf_callback_submit_dynptr": ("VER-125",),
        "user_ringbuf_callback_reinit_dynptr_ringbuf": ("VER-126",),
    },
    "test_kfunc_dynptr_param.c": {
        "dynptr_type_not_supp": ("KFN-028",),
    },
    "verifier_map_in_map.c": {
        "map_ptr_is_never_null_rb": ("VER-069",),
    },
}
