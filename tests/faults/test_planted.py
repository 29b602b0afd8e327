"""The matrix can see: faults are planted in a copy of the source, and the cases that must catch them turn red."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.figures import Note

ROOT = Path(__file__).parents[2]
PATCHES = Path(__file__).parent / "planted"
COPIED = ("comms", "flows", "api", "tests", "deployments", "docs", "pyproject.toml", "prefect.yaml")

CAUGHT_BY = {
    "the_mark_left_out": ["tests/faults/test_the_story.py::test_fifty_stories_end_as_the_notebook_says"],
    "the_event_in_its_own_transaction": ["tests/store/test_outbox.py::test_what_is_undone_was_never_announced"],
    "the_contact_checked_and_then_set": [
        "tests/store/test_contacts.py::test_eight_writers_at_once_get_one_grant_per_mailbox_and_no_half_ones"
    ],
    "the_offsets_before_the_inbox": [
        "tests/kafka/test_launcher_kills.py::test_a_launcher_that_is_killed_loses_nothing_and_nothing_acts_twice"
    ],
}
"""By fault, the cases of which each one must fail."""


def test_every_planted_fault_has_its_cases() -> None:
    assert {patch.stem for patch in PATCHES.glob("*.patch")} == CAUGHT_BY.keys()


@pytest.mark.parametrize("fault", CAUGHT_BY)
def test_every_planted_fault_fits_the_source(fault: str) -> None:
    """`git apply` needs no repository."""
    tried = ["git", "apply", "--check", str(PATCHES / f"{fault}.patch")]
    assert subprocess.run(tried, cwd=ROOT, capture_output=True, text=True, check=False).stderr == ""


@pytest.mark.whole
@pytest.mark.parametrize(("fault", "case"), [(fault, case) for fault, cases in CAUGHT_BY.items() for case in cases])
def test_a_planted_fault_turns_its_case_red(fault: str, case: str, tmp_path: Path, figure: Note) -> None:
    copy = plant(fault, tmp_path / "copy")
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "--whole", "-p", "no:cacheprovider", case], cwd=copy,
        env=os.environ | {"PYTHONPATH": str(copy), "COMMS_FAULT_PLANTED": fault},
        capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED, ended.stdout[-3000:] + ended.stderr[-1000:]
    figure(f"planted: {fault.replace('_', ' ')}", "turns red", case.rpartition("::")[2])


def plant(fault: str, copy: Path) -> Path:
    """Copy the source and put the fault in; a patch that does not apply any more must be made anew."""
    copy.mkdir()
    for name in COPIED:
        source = ROOT / name
        shutil.copytree(source, copy / name, ignore=_LEFT) if source.is_dir() else shutil.copy(source, copy / name)
    subprocess.run(["git", "apply", str(PATCHES / f"{fault}.patch")], cwd=copy, check=True)
    return copy


_LEFT = shutil.ignore_patterns("__pycache__", "*.png")
