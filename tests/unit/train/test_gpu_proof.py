"""The page gpu-proof.md names tests that are there, and all that was wrong once."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from proof_page import named_benchmarks, page, require_named_tests

ROOT = Path(__file__).parents[3]
PAGE = page("gpu-proof")

# what stood between the first trainings and a GPU, and the tests that fail where it comes back
MENDED = {
    "the teacher ran on the CPU alone": "test_a_teacher_on_another_device_answers_the_same",
    "an ONNX teacher too": "test_it_answers_there_as_it_does_here",
    "in float32": "test_in_half_precision_it_answers_nearly_the_same",
    "asked by the first rank alone": "test_ranks_fill_one_array_between_them",
    "and twice for centres": "test_centres_are_recovered_and_refined_where_there_are_none",
    "the recipe's head was float32": "test_a_head_in_half_precision_is_near",
    "the float32 kernel spilt": "test_compiles_for_gpus_that_are_not_here_without_a_spill",
    "and was chosen on every GPU": "test_a_float32_head_goes_through_cublas",
    "17 products of TH-KD": "test_products_of_a_step",
    "nine in float32": "test_a_head_that_is_trained_is_multiplied_in_half_and_learns_in_full",
    "logits computed for CE and again for KL": "test_kept_and_streamed_agree",
    "ranks decoded the global batch": (
        "test_ranks_decode_each_picture_once_and_make_the_whole_batch"
    ),
    "no workers unless asked": "test_only_cores_that_the_process_may_use_are_counted",
    "batches crossed as floats": "test_the_host_waits_for_figures_alone",
    "unpinned": "test_for_a_gpu_bytes_and_labels_wait_where_it_can_fetch_them",
    "batch norms shared past one rank": (
        "test_they_stop_early_together_and_read_each_picture_once_an_epoch"
    ),
    "gradients exchanged when all were made": "test_gradients_are_sent_while_others_are_made",
    "every step read its loss": "test_a_step_of_no_method_asks_the_device",
    "hundreds of launches for an average": ("test_an_average_of_all_tensors_takes_two_launches"),
    "an optimizer of many kernels": "test_on_a_gpu_the_optimizer_takes_one_kernel_for_all",
    "a checkpoint every fifty steps": "test_checkpoints_go_by_minutes",
    "that the step waited for": "test_a_checkpoint_is_written_while_steps_go_on",
    "resuming mixed devices": "test_killed_with_an_average_it_resumes_there",
    "each rank stopped early by itself": (
        "test_they_stop_early_together_and_read_each_picture_once_an_epoch"
    ),
    "people from beside and shards": (
        "test_people_from_beside_get_centres_next_to_the_classifier_of_the_data_set"
    ),
    "INT8 was trained on the CPU": "test_on_another_device_it_learns_what_it_learns_here",
    "no GPU was told after days": "test_a_gpu_that_is_not_there_is_told_before_anything_is_made",
    "a dry run timed the start": "test_what_is_paid_once_is_no_part_of_a_step",
    "centres took four copies": "test_memory_is_that_of_a_block_and_the_centres",
    "a plan of the head alone": "test_every_rate_has_a_source_of_a_known_kind",
    "no training among the tests for a GPU": "test_it_learns_what_the_cpu_learns",
    "TH-KD without T squared": "test_th_kd_is_the_published_sum",
    "the margin's scale in the teacher's softmax": (
        "test_the_margins_scale_is_not_that_of_the_teachers_softmax"
    ),
    "relations of one rank": "test_several_ranks_equal_one_after_twenty_steps",
    "jitter always on": "test_untouched_without_flip_and_jitter",
    "steps and no epochs": "test_epochs_see_every_picture_so_often",
    "compiling tried by nobody": "test_what_compiling_brings_is_told",
    "nothing noticed a hidden copy": "test_what_a_step_should_not_ask_is_noticed",
}


@pytest.mark.parametrize("wrong", MENDED)
def test_what_was_wrong_is_on_the_page(wrong: str) -> None:
    assert re.search(rf"::{MENDED[wrong]}`", PAGE)


def test_every_test_and_benchmark_exists() -> None:
    require_named_tests(PAGE, more_than=40)
    assert len(named_benchmarks(PAGE)) >= 5


def test_every_claim_is_shown_or_said_to_be_open() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and "claim" not in line]
    open_or_shown = ("`tests/", "`benchmarks/", "not yet run", "left out", "`embedge plan")
    assert len(rows) > 35
    assert all(any(word in row.split("|")[2] for word in open_or_shown) for row in rows)


def test_figures_are_those_of_the_files() -> None:
    found, row = _stored("centres_size"), _row("class centres")
    if found:
        assert f"{found['peak_bytes'] / 1e9:.2f} GB" in row
        assert f"{found['rows']:,} pictures of {found['people']:,} people" in row
    else:
        assert "not yet run" in row
    gains, row = _stored("training_speed_compile"), _row("its gain on a CPU")
    if not gains:
        assert "not yet run" in row
    for over in ("compiled_times_plain", "compiled_times_kernels") if gains else ():
        for kind in ("fp32", "bf16"):
            told = f"{gains[over][kind]['images_a_second_of_own_time']:.2f}"
            assert told in row, (over, kind)


def _row(claim: str) -> str:
    return next(line for line in PAGE.splitlines() if line.startswith(f"| {claim}"))


def _stored(name: str) -> dict[str, Any]:
    path = ROOT / f"benchmarks/results/{name}.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    return found
