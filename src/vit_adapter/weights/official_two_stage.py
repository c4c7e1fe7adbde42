"""Names of necks and of two-stage detectors in the official files, and ours: a part of the table in ``official.py``.

Rules are (our name, official name); {n} stands for one number, * at the end for any rest. The official files call a
norm ``bn`` or ``gn`` by its kind, and number necks and region heads only where there are several.
"""

Rule = tuple[str, str]


def _below(ours: str, official: str, rules: list[Rule]) -> list[Rule]:
    return [(f"{ours}.{our_rest}", f"{official}.{official_rest}") for our_rest, official_rest in rules]


_BLOCK: list[Rule] = [("conv.*", "conv.*"), ("batch_norm.*", "bn.*"), ("group_norm.*", "gn.*")]
_PYRAMID: list[Rule] = [
    *_below("laterals.{n}", "lateral_convs.{n}", _BLOCK),
    *_below("outputs.{n}", "fpn_convs.{n}", _BLOCK),
    *_below("convs.{n}", "convs.{n}", _BLOCK),
]
_EXTRA_ATTENTION: list[Rule] = [
    ("attention.*", "attn.*"),
    ("feedforward.*", "ffn.*"),
    *[(name, name) for name in ("norm1.*", "norm2.*", "final_norm.*", "gamma_1", "gamma_2")],
]
NECKS: list[Rule] = [
    *_PYRAMID,
    *_below("0", "0", _EXTRA_ATTENTION),
    *_below("1", "1", _PYRAMID),
]
"""Inside the neck."""
