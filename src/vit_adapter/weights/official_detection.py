"""Names of necks and detection heads in the official files, and ours: a part of the table in ``official.py``.

Rules are (our name, official name); {n} stands for one number, * at the end for any rest.
"""

Rule = tuple[str, str]


def _below(ours: str, official: str, rules: list[Rule]) -> list[Rule]:
    return [(f"{ours}.{our_rest}", f"{official}.{official_rest}") for our_rest, official_rest in rules]


_TOWER: list[Rule] = [("{n}.conv.*", "{n}.conv.*"), ("{n}.norm.*", "{n}.gn.*")]
_DENSE_TOWERS: list[Rule] = [
    *_below("class_tower", "cls_convs", _TOWER),
    *_below("box_tower", "reg_convs", _TOWER),
    ("scales.{n}.scale", "scales.{n}.scale"),
]
_DENSE: list[Rule] = [
    *_DENSE_TOWERS,
    ("classifier.*", "atss_cls.*"),
    ("box_output.*", "atss_reg.*"),
    ("centerness.*", "atss_centerness.*"),
    ("quality_classifier.*", "gfl_cls.*"),
    ("distance_output.*", "gfl_reg.*"),
    ("integral.*", "integral.*"),
]
_SPARSE_STAGE: list[Rule] = [
    ("attention.in_projection.weight", "attention.attn.in_proj_weight"),
    ("attention.in_projection.bias", "attention.attn.in_proj_bias"),
    ("attention.output_projection.*", "attention.attn.out_proj.*"),
    ("attention_norm.*", "attention_norm.*"),
    ("interaction.parameters_of.*", "instance_interactive_conv.dynamic_layer.*"),
    ("interaction.first_norm.*", "instance_interactive_conv.norm_in.*"),
    ("interaction.second_norm.*", "instance_interactive_conv.norm_out.*"),
    ("interaction.output.*", "instance_interactive_conv.fc_layer.*"),
    ("interaction.output_norm.*", "instance_interactive_conv.fc_norm.*"),
    ("interaction_norm.*", "instance_interactive_conv_norm.*"),
    ("feedforward.fc1.*", "ffn.layers.0.0.*"),
    ("feedforward.fc2.*", "ffn.layers.1.*"),
    ("feedforward_norm.*", "ffn_norm.*"),
    ("class_tower.{n}.*", "cls_fcs.{n}.*"),
    ("box_tower.{n}.*", "reg_fcs.{n}.*"),
    ("classifier.*", "fc_cls.*"),
    ("box_output.*", "fc_reg.*"),
]

DENSE_HEADS: list[Rule] = _below("head.dense", "bbox_head", _DENSE)
"""Of ATSS and GFL."""
SPARSE_RCNN: list[Rule] = [
    ("head.proposals.boxes", "rpn_head.init_proposal_bboxes.weight"),
    ("head.proposals.features", "rpn_head.init_proposal_features.weight"),
    *_below("head.refinement.stages.{n}", "roi_head.bbox_head.{n}", _SPARSE_STAGE),
]
"""Of Sparse R-CNN."""
