"""The tests of ``openvino_files.py`` in a process of their own: OpenVINO once ended one that other tests shared."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FILE = Path(__file__).with_name("openvino_files.py")


@pytest.mark.slow
def test_files_for_openvino():
    pytest.importorskip("openvino")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", str(FILE), "-q", "-p", "no:xdist", "-p", "no:cacheprovider"],
        cwd=FILE.parents[2],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "passed" in done.stdout
    assert "skipped" not in done.stdout
