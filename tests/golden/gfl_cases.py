"""Area 38: GFL."""

from .areas import Runner
from .dense_cases import DENSE_RUNNERS

RUNNERS: dict[str, Runner] = {f"38_gfl__{name}": runner for name, runner in DENSE_RUNNERS.items()}
