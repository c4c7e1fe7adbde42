"""What is built from the repository installs and runs without it."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*words: str, **settings) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, **settings)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The wheel and the sdist, built by the project's own back end from a copy of what git tracks."""
    folder = tmp_path_factory.mktemp("build")
    source = folder / "source"
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if files.returncode:
        pytest.skip("not a git checkout")
    for name in filter(None, files.stdout.split("\0")):
        if name.startswith(("tests/", "benchmarks/", "docs/")) or not (ROOT / name).is_file():
            continue
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    code = (
        "from setuptools.build_meta import build_sdist, build_wheel\n"
        f"build_wheel({str(folder)!r})\nbuild_sdist({str(folder)!r})"
    )
    done = run("-c", code, cwd=source)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("*.whl")), next(folder.glob("*.tar.gz"))


@pytest.mark.slow
def test_wheel_and_sdist_hold_the_package_and_nothing_else(built):
    wheel, sdist = built
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(next(name for name in names if name.endswith("METADATA"))).decode()
    tops = {name.split("/")[0] for name in names}
    assert tops == {"vit_adapter", next(top for top in tops if top.endswith(".dist-info"))}
    assert "vit_adapter/py.typed" in names
    ours = {str(file.relative_to(ROOT / "src")) for file in (ROOT / "src").rglob("*.py")}
    assert ours <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert "Provides-Extra: onnx" in metadata
    with tarfile.open(sdist) as archive:
        assert any(name.endswith("src/vit_adapter/py.typed") for name in archive.getnames())


@pytest.mark.slow
def test_the_wheel_runs_without_the_repository(built, tmp_path):
    """Installed beside the dependencies of this environment, in a folder of its own."""
    wheel, _ = built
    done = run(
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        "--target",
        str(tmp_path / "site"),
        str(wheel),
    )
    assert done.returncode == 0, done.stderr
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    code = (
        "import vit_adapter, torch\nprint(vit_adapter.__file__)\n"
        "model = vit_adapter.build('upernet_deit_adapter_tiny_512_160k_ade20k', num_classes=3).eval()\n"
        "print(model(torch.zeros(1, 3, 64, 64)).shape)"
    )
    done = run("-c", code, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    place, shape = done.stdout.splitlines()
    assert place.startswith(str(tmp_path / "site"))
    assert shape == "torch.Size([1, 3, 64, 64])"
    script = tmp_path / "site/bin/vit-adapter"
    done = run(str(script), "--help", cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    assert "usage: vit-adapter COMMAND" in done.stdout
