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
_NECK: list[Rule] = [
    *_PYRAMID,
    *_below("0", "0", _EXTRA_ATTENTION),
    *_below("1", "1", _PYRAMID),
]

_PROPOSALS: list[Rule] = [
    ("convs.{n}.conv.*", "rpn_conv.{n}.conv.*"),
    ("convs.*", "rpn_conv.*"),
    ("objectness.*", "rpn_cls.*"),
    ("offsets.*", "rpn_reg.*"),
]
_BOX_HEAD: list[Rule] = [
    *_below("convs.{n}", "shared_convs.{n}", _BLOCK),
    ("layers.{n}.*", "shared_fcs.{n}.*"),
    ("classifier.*", "fc_cls.*"),
    ("box_output.*", "fc_reg.*"),
]
_MASK_HEAD: list[Rule] = [
    *_below("convs.{n}", "convs.{n}", _BLOCK),
    *_below("previous", "conv_res", _BLOCK),
    ("upsample.*", "upsample.*"),
    ("classifier.*", "conv_logits.*"),
]
_SEMANTIC_HEAD: list[Rule] = [
    *_below("laterals.{n}", "lateral_convs.{n}", _BLOCK),
    *_below("convs.{n}", "convs.{n}", _BLOCK),
    *_below("embedding", "conv_embedding", _BLOCK),
    ("classifier.*", "conv_logits.*"),
]
TWO_STAGE: list[Rule] = [
    *_below("head.neck", "neck", _NECK),
    *_below("head.proposals", "rpn_head", _PROPOSALS),
    *_below("head.box_head", "roi_head.bbox_head", _BOX_HEAD),
    *_below("head.mask_head", "roi_head.mask_head", _MASK_HEAD),
    # Sparse R-CNN's stages have their classifiers at the same place.
    *_below("head.refinement.stages.{n}", "roi_head.bbox_head.{n}", _BOX_HEAD),
    *_below("head.mask_heads.{n}", "roi_head.mask_head.{n}", _MASK_HEAD),
    *_below("head.semantic_head", "roi_head.semantic_head", _SEMANTIC_HEAD),
]
"""Of Mask R-CNN, Cascade Mask R-CNN and HTC++."""
