"""One optimisation step of published models on the CPU: T, S and B, and one L row with its memory measured."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .one_step import step

CROP = 128
"""The published crop of 512 takes sixteen times as long; the parameters and their groups are the same."""


@pytest.mark.slow
@pytest.mark.parametrize("size", ["tiny", "small", "base"])
def test_a_step_of(size):
    step(f"upernet_deit_adapter_{size}_512_160k_ade20k", CROP)


@pytest.mark.slow
def test_a_step_of_an_l_row_stays_within_20_gb():
    """float32, blocks recomputed in the backward pass, as the recipe says; a process of its own, for its peak."""
    name = "upernet_augreg_adapter_large_512_160k_ade20k"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-m", "zoo.one_step", name, str(CROP)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    peak = int(done.stdout.split()[-1])
    # Weights, gradients and two averages alone are 16 bytes for each of 364 M parameters.
    assert 5.8e9 < peak < 20e9
