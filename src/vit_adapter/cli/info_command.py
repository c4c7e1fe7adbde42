"""``vit-adapter info``."""

from collections.abc import Sequence

from .parsing import make_parser, parse


def run(words: Sequence[str]) -> int:
    """Prints versions, devices and operator forms: what a bug report needs."""
    parse(make_parser("info", "Versions, devices and which form of each operator runs."), words)

    import os
    import platform
    from importlib.metadata import PackageNotFoundError, version

    import torch

    packages = (
        "vit-adapter",
        "torch",
        "torchvision",
        "timm",
        "numpy",
        "pillow",
        "lightning-fabric",
        "huggingface_hub",
    )
    for package in packages:
        try:
            print(f"{package:<24} {version(package)}")
        except PackageNotFoundError:
            print(f"{package:<24} not installed")
    print(f"{'python':<24} {platform.python_version()} on {platform.system()} {platform.machine()}")
    print(f"{'processor':<24} {_processor()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads used")
    print(f"{'instructions':<24} {torch.backends.cpu.get_cpu_capability()}")
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(index)
            print(f"{f'cuda:{index}':<24} {properties.name}, {properties.total_memory / 2**30:.0f} GiB")
    else:
        print(f"{'cuda':<24} not available")
    mps = torch.backends.mps.is_available()
    print(f"{'mps':<24} {'available, untested' if mps else 'not available'}")
    from vit_adapter.api import describe_forms

    for name, text in describe_forms():
        print(f"{name:<24} {text}")
    return 0


def _processor() -> str:
    import platform
    from pathlib import Path

    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"
