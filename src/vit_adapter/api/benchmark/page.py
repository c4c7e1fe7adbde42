"""What was measured, as lines for a terminal and as a Markdown page."""

from typing import Any

INTRODUCTION = """# Speed and memory

Made by `vit-adapter bench --page` from its JSON file; nothing is typed by hand. Sides of a row run in one process, in
turn, on the same weights and the same image; times are medians, ratios medians of the ratios of each turn.

- **reference**: every operator in its reference form (explicit attention, `grid_sample`, upsampling before convolving),
  which is the published algorithm, float32.
- **default**: what a model does by itself, float32. **optimized**: after `Segmenter.optimize()`.
- **bfloat16**: after `optimize(dtype="bfloat16")`; in a training step autocast. Compared with the float32 reference.
- **vit alone**: timm's ViT on the same image, the floor; ratios of its rows say how many times as long a side takes.
- Sides named after packages (**transformers**, **smp**): their models with encoders of the size of ViT-B, whose scores
  stay at the stride that the package gives.
"""


def row_lines(name: str, row: dict[str, Any]) -> list[str]:
    """A row for the terminal: each side in a line."""
    lines = [f"{name}: {row['size']}x{row['size']} pixels, batch {row['batch']}, {row['work']}"]
    for side, values in row["sides"].items():
        lines.append(f"  {side:<10} {_measured(values)}{_ratio(row, side)}")
        if values.get("forms"):
            lines.append(f"  {'':<10} forms: {_forms(values['forms'])}")
    return lines


def page_lines(result: dict[str, Any]) -> list[str]:
    """The Markdown page of a result."""
    machine, peaks = result["machine"], result["peak_gflop_per_second"]
    lines = [*INTRODUCTION.splitlines(), "", "## Machine", ""]
    lines.append(
        f"{machine['gpu'] or machine['processor']} ({', '.join(machine['flags'])}), {machine['cores']} cores, "
        f"{machine['threads']} threads, device {machine['device']}, torch {machine['torch']}, Python "
        f"{machine['python']}, {machine['mode']}. Product of matrices of 2048x2048 in the same run: "
        + ", ".join(f"{value:.0f} GFLOP/s in {kind}" for kind, value in peaks.items())
        + "."
    )
    lines += ["", "Which form runs by itself:", ""]
    lines += [f"- {name}: {rule}" for name, rule in result["rules"].items() if name]
    return lines + table_lines(result)


def table_lines(result: dict[str, Any]) -> list[str]:
    """The Markdown tables of a result: times, memory, parts, forms."""
    rows = result["rows"]
    timed = {name: row for name, row in rows.items() if row["work"] != "memory"}
    lines = ["", "## Times", ""]
    lines += _table(
        [
            "row",
            "size",
            "batch",
            "side",
            "type",
            "ms",
            "p95",
            "images/s",
            "ratio",
            "target",
            "labels equal",
            "of peak",
        ],
        [_timed_cells(result, name, row, side) for name, row in timed.items() for side in row["sides"]],
    )
    memory = {name: row for name, row in rows.items() if row["work"] == "memory"}
    if memory:
        lines += ["", "## Memory of the forward pass above the weights, processes of their own", ""]
        lines += _table(
            ["row", "size", "side", "type", "MB", "weights, MB", "ratio", "target"],
            [
                [
                    name, str(row["size"]), side, values["dtype"], f"{values['working_bytes'] / 1e6:.0f}",
                    f"{values['weight_bytes'] / 1e6:.0f}", _number(row["ratios"].get(side)), _target(row, side),
                ]
                for name, row in memory.items() for side, values in row["sides"].items()
            ],
        )  # fmt: skip
    parted = [
        [name, side, *(f"{1e3 * values['parts'][part]:.0f}" for part in ("vit", "adapter", "head"))]
        for name, row in timed.items()
        for side, values in row["sides"].items()
        if values["parts"]
    ]
    if parted:
        lines += ["", "## Parts, one run, ms", ""]
        lines += _table(["row", "side", "ViT", "adapter", "head and what follows"], parted)
    lines += ["", "## Forms that ran", ""]
    lines += _table(
        ["row", "side", "forms (calls)"],
        [
            [name, side, _forms(values["forms"])]
            for name, row in timed.items()
            for side, values in row["sides"].items()
        ],
    )
    used = sorted({tuple(row["settings"].items()) for row in rows.values()})
    told = "; ".join(", ".join(f"{name} {value:g}" for name, value in settings) for settings in used)
    loads = [row["load"] for row in rows.values()]
    return (
        [*lines, "", f"Settings: {told}. Load of the machine after a row: {min(loads):g} to {max(loads):g}."]
        if loads
        else lines
    )


def _timed_cells(result: dict[str, Any], name: str, row: dict[str, Any], side: str) -> list[str]:
    values = row["sides"][side]
    kind = "bfloat16" if "bfloat16" in values["dtype"] else "float32"
    share = values["gflop"] / values["seconds"] / result["peak_gflop_per_second"][kind]
    equal = row["agreement"].get(side, {}).get("equal_labels")
    return [
        name,
        str(row["size"]),
        str(row["batch"]),
        side,
        values["dtype"],
        f"{1e3 * values['seconds']:.0f}",
        f"{1e3 * values['p95']:.0f}",
        f"{values['images_per_second']:.2f}",
        _number(row["ratios"].get(side)),
        _target(row, side),
        "" if equal is None else f"{100 * equal:.3f} %",
        f"{100 * share:.0f} %",
    ]


def _measured(values: dict[str, Any]) -> str:
    if "working_bytes" in values:
        return f"{values['working_bytes'] / 1e6:7.0f} MB above the weights"
    median, late = 1e3 * values["seconds"], 1e3 * values["p95"]
    return f"{median:7.0f} ms ({values['dtype']}, p95 {late:.0f}, {values['repeats']} runs)"


def _ratio(row: dict[str, Any], side: str) -> str:
    ratio = row["ratios"].get(side)
    if ratio is None:
        return ""
    target = _target(row, side)
    return f", ratio {ratio:.2f}" + (f" (target {target})" if target else "")


def _target(row: dict[str, Any], side: str) -> str:
    wanted = dict(map(tuple, row["targets"])).get(side)
    if wanted is None:
        return ""
    largest = row["work"] == "memory" or "vit alone" in row["sides"]
    return f"{'≤' if largest else '≥'} {wanted:g}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _forms(ran: dict[str, dict[str, int]]) -> str:
    return ", ".join(
        f"{operator} {' and '.join(f'{form} ({calls})' for form, calls in found.items())}"
        for operator, found in ran.items()
    )


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    return ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows)]
