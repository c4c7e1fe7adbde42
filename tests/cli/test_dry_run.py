"""``train RECIPE --dry-run``: configuration, parameter groups, steps, batch, memory of the optimiser."""

import functools
import io
import re
from contextlib import redirect_stdout

import pytest
import torch
import yaml

from tiny import TINY
from vit_adapter import Segmenter, ViTAdapter
from vit_adapter.cli.main import main
from vit_adapter.config import RunConfig, TrainingConfig, UPerNetConfig, from_plain
from vit_adapter.training.parameter_groups import parameter_groups
from vit_adapter.training.plan import state_bytes
from vit_adapter.zoo.recipes import RECIPES

ROW = re.compile(r" *(\d+(?:[-,]\d+)?)  +([\d.e-]+)  +([\d.]+)  +(\d+)  +([\d,]+)")


LARGE = (
    "mask2former_beit_adapter_large_896_80k_ade20k_ss", "--training.accumulate", "16", "--training.accelerator", "cpu",
)  # fmt: skip
"""A model of 570 million parameters whose plan several tests look at."""


@functools.cache
def dry_run(*words: str) -> str:
    with redirect_stdout(io.StringIO()) as printed:
        assert main(["train", *words, "--dry-run"]) == 0
    return printed.getvalue()


def groups_of(text: str) -> list[tuple[str, float, float, int, int]]:
    found = [ROW.fullmatch(line) for line in text.splitlines()]
    return [
        (row[1], float(row[2]), float(row[3]), int(row[4]), int(row[5].replace(",", "")))
        for row in found
        if row
    ]


def test_the_whole_configuration_is_what_config_takes():
    name = "upernet_deit_adapter_tiny_512_160k_ade20k"
    text = dry_run(name, "--training.steps", "8000")
    page = text[text.index("model:\n") : text.index("\n28 parameter groups")]
    config = from_plain(RunConfig, yaml.safe_load(page), "dry run")
    published = RECIPES[name].config()
    assert config.model == published.model
    assert config.protocol == published.protocol
    assert config.training.steps == 8000
    assert config.training.learning_rate == published.training.learning_rate
    assert config.data.classes == list(RECIPES[name].classes().names)


@pytest.mark.parametrize(
    ("words", "layers", "decay", "weight_decay"),
    [
        (("upernet_deit_adapter_tiny_512_160k_ade20k",), 12, 0.95, 0.01),
        (LARGE, 24, 0.9, 0.05),
    ],
    ids=["tiny", "large"],
)
def test_parameter_groups(words, layers, decay, weight_decay):
    groups = groups_of(dry_run(*words))
    assert len(groups) == 2 * (layers + 2)
    for number, (layer, rate, own_decay, _, _) in enumerate(groups):
        assert int(layer) == number // 2
        assert rate == pytest.approx(decay ** (layers + 1 - int(layer)), rel=1e-3)
        assert own_decay == (weight_decay if number % 2 else 0)
    assert sum(row[4] for row in groups) == RECIPES[words[0].removesuffix("_ss")].parameters


def test_rules_by_name_have_groups_over_all_layers():
    groups = groups_of(dry_run("upernet_augreg_adapter_base_512_160k_ade20k"))
    assert [(row[0], row[1], row[2]) for row in groups] == [
        ("0-13", 1, 0),
        ("0-13", 1, 0.01),
        ("13", 10, 0.01),
    ]


@pytest.mark.slow
def test_steps_batch_and_where_it_starts_from():
    text = dry_run(*LARGE)
    start = RECIPES[str(RECIPES[LARGE[0].removesuffix("_ss")].start)]
    for part in (
        "20210 training and 2000 validation images, 150 classes",
        "80000 in all",
        "16 = 1 cpu x 1 x 16 accumulated",
        "no data.root is given",
        f"starts from the published model {start.name}: {start.checkpoint_url}",
        "9.13 GB for weights, gradients",  # 16 bytes for each of 570,744,407, and few buffers
    ):
        assert part in text, part


def test_the_summary_stands_first(data_root):
    """Before the whole configuration and the table of parameters, with data and without."""
    name = "upernet_deit_adapter_tiny_512_160k_ade20k"
    root = data_root / "ade20k" / "ADEChallengeData2016"
    for words in ([], ["--data.root", str(root)]):
        lines = dry_run(name, *words).splitlines()
        places = [
            next(number for number, line in enumerate(lines) if line.startswith(start))
            for start in ("data  ", "steps  ", "batch  ", "note  ", "model:", "28 parameter groups", "memory")
        ]
        assert places == sorted(places)
        assert places[0] == 0


def test_a_dry_run_with_data_looks_at_it(data_root):
    root = data_root / "ade20k" / "ADEChallengeData2016"
    text = dry_run("upernet_deit_adapter_tiny_512_160k_ade20k", "--data.root", str(root))
    assert "2 training and 3 validation images, 150 classes" in text
    assert "no data.root" not in text
    assert "pretrained ViT: deit_tiny_patch16_224.fb_in1k, by timm" in text


@pytest.mark.parametrize("frozen", [None, "vit"])
def test_memory_of_the_optimiser_is_what_a_step_leaves(frozen):
    vit = ViTAdapter(
        "vit_tiny_patch16_224",
        options=TINY,  # pyright: ignore
        img_size=64,
        frozen=frozen,
    )
    model = Segmenter(vit, UPerNetConfig(channels=16, auxiliary_channels=8), num_classes=3).train()
    config = TrainingConfig()
    optimizer = torch.optim.AdamW(parameter_groups(model, config), lr=1e-3)
    model.loss(torch.randn(2, 3, 64, 64), torch.randint(0, 3, (2, 64, 64)))["loss"].backward()
    for parameter in model.parameters():
        if parameter.requires_grad and parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    held = [
        *model.parameters(),
        *model.buffers(),
        *(p.grad for p in model.parameters() if p.grad is not None),
    ]
    held += [tensor for state in optimizer.state.values() for name, tensor in state.items() if name != "step"]
    assert state_bytes(model, config) == sum(tensor.nbytes for tensor in held)
