"""``vit-adapter demo``."""

from collections.abc import Sequence

from .parsing import make_parser, parse


def run(words: Sequence[str]) -> int:
    """Trains the demo model."""
    from vit_adapter.zoo import DEMO_STEPS

    parser = make_parser(
        "demo",
        "Trains a small ViT-Adapter on embedded street scenes and shows what it learnt (minutes on a laptop).",
    )
    parser.add_argument("--out", type=str, default=None, help="run folder; a new one under runs/ by default")
    parser.add_argument("--steps", type=int, default=DEMO_STEPS, help="optimiser steps")
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of the initial weights and the order of images"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    values = parse(parser, words)

    from vit_adapter import api

    api.demo(values.out, steps=values.steps, seed=values.seed, quiet=values.quiet)
    return 0
