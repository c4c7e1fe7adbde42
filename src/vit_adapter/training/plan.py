"""What a dry run prints beside the start block: the configuration, the parameter groups, memory."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from torch import nn

from vit_adapter.config import RunConfig, TrainingConfig
from vit_adapter.config.plain import to_yaml
from vit_adapter.segmenter import Segmenter

from .checks import check_run
from .engine import choose_accelerator
from .memory import memory_words
from .parameter_groups import count_layers, layer_of, parameter_groups, rule_name
from .printing import print_lines
from .start_block import PUBLISHED_BATCH, StartBlock
from .validation_plan import plan_validation


def print_plan(
    model: Segmenter,
    config: RunConfig,
    images: tuple[int, int],
    operator_forms: dict[str, str],
    notes: Sequence[str],
    console: Console | None = None,
    published_batch: int | None = PUBLISHED_BATCH,
) -> None:
    """The dry run of a recipe whose data set is not at hand.

    Args:
        model: A ``Segmenter``; one on the meta device will do.
        config: All settings of the run.
        images: Numbers of training and validation images.
        operator_forms: Operator to the form of it that will run.
        notes: Further lines.
        console: Where the lines go; None: standard output.
        published_batch: Images in a step of the published model; None: not reported.

    Raises:
        InputError: A setting or device cannot be used.
    """
    block = StartBlock(
        model=model,
        config=config,
        images=images,
        devices=check_run(model, config, images[0]),
        # How large the images are is not known, so neither is what validation costs.
        plan=plan_validation(config.training, images[1], None, config.evaluation.limit),
        operator_forms=operator_forms,
        notes=[*notes],
        published_batch=published_batch,
    )
    print_lines(console or Console(), dry_run_lines(block))


def dry_run_lines(block: StartBlock) -> list[str]:
    """The start block of a run that does not begin, and its plan."""
    facts = block.lines(block.config.training.out or "a new one under runs/")
    return [*facts, "", *plan_lines(block.model, block.config)]


def plan_lines(model: Segmenter, config: RunConfig) -> list[str]:
    """The whole configuration as YAML, the optimiser's groups as a table, and what is needed in memory.

    Args:
        model: What would be trained; one on the meta device will do.
        config: All settings of the run.
    """
    text = to_yaml(config)
    groups = parameter_groups(model, config.training)
    layers = count_layers(rule_name(name) for name, _ in model.named_parameters())
    table = group_table(groups, config.training, layers)
    held = state_bytes(model, config.training)
    memory = f"{held / 1e9:.2f} GB for weights, gradients and the optimiser's averages"
    lines = [*text.splitlines(), "", *table, "", f"{'memory':<14} {memory}"]
    step = memory_words(model, config, choose_accelerator(config.training))
    return lines if step is None else [*lines, f"{'a step':<14} {step}"]


def group_table(groups: list[dict[str, Any]], config: TrainingConfig, layers: int) -> list[str]:
    """One line for each group: layer, factor of the learning rate, weight decay, tensors, parameters.

    Args:
        groups: As ``parameter_groups`` gives them.
        config: Whose learning rate the factors are relative to.
        layers: Number of ViT blocks.
    """
    rows = []
    for group in groups:
        found = sorted({layer_of(rule_name(name), layers) for name in group["names"]})
        rows.append(
            (
                found,
                f"{group['base_rate'] / config.learning_rate:.4g}",
                f"{group['weight_decay']:g}",
                len(group["params"]),
                sum(parameter.numel() for parameter in group["params"]),
            )
        )
    rows.sort(key=lambda row: (row[0], row[2]))
    lines = [
        f"{len(groups)} parameter groups; layer 0 comes before the {layers} blocks, {layers + 1} after them",
        f"{'layer':>7}  {'rate x':>8}  {'decay':>6}  {'tensors':>7}  {'parameters':>12}",
    ]
    for found, scale, decay, tensors, parameters in rows:
        name = _range(found)
        lines.append(f"{name:>7}  {scale:>8}  {decay:>6}  {tensors:>7}  {parameters:>12,}")
    tensors, parameters = sum(row[3] for row in rows), sum(row[4] for row in rows)
    lines.append(f"{'all':>7}  {'':>8}  {'':>6}  {tensors:>7}  {parameters:>12,}")
    return lines


def state_bytes(model: nn.Module, config: TrainingConfig) -> int:
    """Bytes of weights and buffers, of the gradients, and of AdamW's two averages; with an averaged model twice the
    weights."""
    weights = sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers()))
    trained = sum(parameter.nbytes for parameter in model.parameters() if parameter.requires_grad)
    return weights * (1 if config.ema_decay is None else 2) + 3 * trained


def _range(layers: list[int]) -> str:
    """``3``, ``0-13`` or ``0,13``."""
    if len(layers) > 2 and layers == list(range(layers[0], layers[-1] + 1)):
        return f"{layers[0]}-{layers[-1]}"
    return ",".join(map(str, layers))
