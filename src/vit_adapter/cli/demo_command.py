"""``vit-adapter demo``."""

from collections.abc import Sequence

from .parsing import make_parser, parse


def run(words: Sequence[str]) -> int:
    """Trains the demo model."""
    from vit_adapter.zoo.demo import DEMO_STEPS, OBJECT_DEMO_STEPS

    parser = make_parser(
        "demo",
        "Trains a small ViT-Adapter on embedded street scenes and shows what it learnt (minutes on a laptop).",
    )
    parser.add_argument("--out", type=str, default=None, help="run folder; a new one under runs/ by default")
    parser.add_argument(
        "--steps",
        type=int | None,
        default=None,
        help=f"optimiser steps; by default {DEMO_STEPS}, with mask2former {OBJECT_DEMO_STEPS}",
    )
    parser.add_argument(
        "--head",
        choices=["upernet", "mask2former", "mask_rcnn", "atss"],
        default="upernet",
        help="upernet: a class for every pixel; mask2former: every car and person as well (panoptic); mask_rcnn: "
        "their boxes and masks; atss: their boxes",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of the initial weights and the order of images"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    values = parse(parser, words)

    from vit_adapter import api

    api.demo(values.out, steps=values.steps, seed=values.seed, quiet=values.quiet, head=values.head)
    return 0
