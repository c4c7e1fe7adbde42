"""Which rooms of ``src/vit_adapter`` a test is about: ``pytest -m heads`` runs all that there is about the heads."""

import re
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parent
ROOMS = sorted(file.parent.name for file in (TESTS.parent / "src/vit_adapter").glob("*/__init__.py"))

GOLDEN = {
    "01": "ops",
    "02": "backbones ops",
    "03": "backbones",
    "04": "backbones",
    "05": "heads",
    "06": "segmenter inference heads",
    "07": "training segmenter",
    "08": "weights backbones",
    "09": "backbones",
    "10": "backbones weights",
    "11": "heads inference",
    "20": "heads ops",
    "21": "heads",
    "22": "heads",
    "23": "heads",
    "24": "heads",
    "25": "inference heads",
    "26": "segmenter heads training",
    "27": "heads inference",
    "29": "data heads",
    "30": "backbones heads",
    "31": "heads ops",
    "32": "heads",
    "33": "heads ops",
    "34": "heads",
    "35": "heads",
    "36": "heads",
    "37": "heads",
    "38": "heads",
    "39": "heads",
    "40": "heads backbones",
    "pipeline": "data images inference",
    "metrics": "metrics",
    "optimizer": "training zoo",
    "manifests": "zoo weights backbones heads",
    "pretraining": "weights backbones",
    "datasets": "zoo data",
    "detection": "zoo weights training",
}
"""Areas of recorded numbers, by the beginning of their name."""

OTHER_FILES = {
    "accelerator/test_cuda.py": "training inference segmenter ops",
    "cli": "cli api",
    "docs/test_commands.py": "cli api",
    "test_every_model.py": "heads backbones segmenter",
    "test_segmenter.py": "segmenter",
    "situations/test_labels_and_masks.py": "data images heads",
    "situations/test_checkpoints_and_weights.py": "weights backbones segmenter api",
    "situations/test_configuration.py": "config data",
    "situations/test_channels.py": "api config weights backbones",
    "situations/test_home_folder.py": "config cli",
    "situations/test_many_images.py": "api inference",
    "situations/test_memory.py": "evaluation inference images",
    "situations/test_metrics.py": "metrics evaluation inference",
    "situations/test_names_and_networks.py": "backbones cli",
    "situations/test_nested_settings.py": "config cli zoo",
    "situations/test_output_files.py": "api visualization",
    "situations/test_padding_and_mirrors.py": "inference api",
    "situations/test_performance.py": "backbones segmenter",
    "situations/test_settings_as_written.py": "config cli",
    "situations/test_sizes.py": "inference backbones images",
    "situations/test_training_numerics.py": "training heads data",
    "situations/test_versions.py": "cli data training",
    "situations/test_void_and_means.py": "evaluation api",
    "situations/test_what_a_run_tells.py": "training evaluation",
    "situations/test_what_is_given.py": "api segmenter",
}
"""Files, and folders, that no room bears the name of. A file of situations that is missing here belongs to the rooms
from which it imports something."""


def rooms_of(path: Path, area: str | None = None) -> list[str]:
    """Rooms that a test is about.

    Args:
        path: Its file.
        area: The area of the recorded numbers that it compares with; None: it compares with none.
    """
    if area is not None:
        return GOLDEN[area if area in GOLDEN else area.split("_")[0]].split()
    place = path.relative_to(TESTS)
    folder = place.parts[0]
    for name in (place.as_posix(), folder):
        if name in OTHER_FILES:
            return OTHER_FILES[name].split()
    if folder in ROOMS:
        return [folder]
    return _imported(path) if folder == "situations" else []


@cache
def _imported(path: Path) -> list[str]:
    names = set(re.findall(r"^\s*from vit_adapter\.(\w+)", path.read_text("utf-8"), re.MULTILINE))
    return [room for room in ROOMS if room in names]
