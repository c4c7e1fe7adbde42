"""Our head against another implementation, Hugging Face's, with the same weights."""

import pytest
import torch
from mask2former_parts import POINTS, SIZES, WIDTHS, label_map, pyramid, random_predictions, shaken, tiny_head
from torch import Tensor, nn

from vit_adapter.heads.mask2former import LossSettings, Mask2FormerHead, Mask2FormerLoss, Predictions
from vit_adapter.heads.mask2former.targets import targets_of

pytestmark = pytest.mark.slow  # importing transformers takes many seconds

CLASSES = 5


class Theirs(nn.Module):
    """Hugging Face's parts, put together as its model does."""

    def __init__(self, loss: bool = False) -> None:
        super().__init__()
        module = pytest.importorskip("transformers.models.mask2former.modeling_mask2former")
        config = pytest.importorskip("transformers").Mask2FormerConfig(
            feature_size=SIZES.channels,
            mask_feature_size=SIZES.channels,
            hidden_dim=SIZES.channels,
            encoder_feedforward_dim=SIZES.encoder_feedforward,
            dim_feedforward=SIZES.decoder_feedforward,
            encoder_layers=SIZES.encoder_layers,
            decoder_layers=SIZES.decoder_layers + 1,  # it counts the prediction before the first layer
            num_attention_heads=SIZES.heads,
            num_queries=SIZES.queries,
            train_num_points=POINTS,
        )
        config.num_labels = CLASSES
        if loss:
            self.loss = module.Mask2FormerLoss(config, {})
            return
        self.pixel_decoder = module.Mask2FormerPixelDecoder(config, WIDTHS)
        self.transformer_module = module.Mask2FormerTransformerModule(SIZES.channels, config)
        self.class_predictor = nn.Linear(SIZES.channels, CLASSES + 1)

    def forward(self, maps: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        decoded = self.pixel_decoder(
            maps, output_hidden_states=False, output_attentions=False, return_dict=True
        )
        output = self.transformer_module(decoded.multi_scale_features, decoded.mask_features)
        classes = [self.class_predictor(state.transpose(0, 1)) for state in output.intermediate_hidden_states]
        return classes, list(output.masks_queries_logits)


def their_state(head: Mask2FormerHead) -> dict[str, Tensor]:
    """Our weights under Hugging Face's names (behaviour 104)."""
    state: dict[str, Tensor] = {}
    for name, tensor in head.state_dict().items():
        state |= dict(_renamed(name, tensor))
    return state


def _renamed(name: str, tensor: Tensor) -> list[tuple[str, Tensor]]:
    attention_parts = {
        "in_projection.weight": "in_proj_weight",
        "in_projection.bias": "in_proj_bias",
        "output_projection.weight": "out_proj.weight",
        "output_projection.bias": "out_proj.bias",
    }
    if ".self_attention.in_projection." in name:
        layer, _, kind = name.partition(".self_attention.in_projection.")
        number = layer.rpartition(".")[2]
        base = f"transformer_module.decoder.layers.{number}.self_attn"
        return [(f"{base}.{letter}_proj.{kind}", part) for letter, part in zip("qkv", tensor.chunk(3))]
    for ours, theirs in attention_parts.items():
        if name.endswith(f"cross_attention.{ours}"):
            number = name.split(".")[2]
            return [(f"transformer_module.decoder.layers.{number}.cross_attn.{theirs}", tensor)]
    pairs = [
        ("transformer_decoder.layers.", "transformer_module.decoder.layers."),
        ("transformer_decoder.level_embedding", "transformer_module.level_embed.weight"),
        ("transformer_decoder.query_content", "transformer_module.queries_features.weight"),
        ("transformer_decoder.query_positions", "transformer_module.queries_embedder.weight"),
        ("transformer_decoder.prediction_norm.", "transformer_module.decoder.layernorm."),
        ("transformer_decoder.classifier.", "class_predictor."),
        ("pixel_decoder.level_embedding", "pixel_decoder.level_embed"),
        ("pixel_decoder.encoder.", "pixel_decoder.encoder.layers."),
        ("pixel_decoder.lateral.", "pixel_decoder.adapter_1."),
        ("pixel_decoder.output.", "pixel_decoder.layer_1."),
        ("self_attention.output_projection", "self_attn.out_proj"),
        ("cross_attention_norm", "cross_attn_layer_norm"),
        ("self_attention_norm", "self_attn_layer_norm"),
        (".attention_norm", ".self_attn_layer_norm"),
        ("feedforward_norm", "final_layer_norm"),
        ("feedforward.", ""),
        (".attention.value_projection", ".self_attn.value_proj"),
        (".attention.output_projection", ".self_attn.output_proj"),
        (".attention.", ".self_attn."),
        (".conv.", ".0."),
        (".norm.", ".1."),
    ]
    for ours, theirs in pairs:
        name = name.replace(ours, theirs)
    if name.startswith("transformer_decoder.mask_embedding."):
        *_, number, kind = name.split(".")
        name = f"transformer_module.decoder.mask_predictor.mask_embedder.{number}.0.{kind}"
    return [(name, tensor)]


@pytest.mark.parametrize("size", [(64, 96), (96, 64), (64, 64)])
def test_predictions(size):
    head, theirs = shaken(tiny_head(CLASSES)).eval(), Theirs().eval()
    theirs.load_state_dict(their_state(head), strict=True)
    maps = pyramid(2, *size)
    with torch.no_grad():
        ours = head.predictions(maps)
        classes, masks = theirs(maps)
    assert len(classes) == len(ours.classes) == SIZES.decoder_layers + 1
    for mine, other in zip(ours.classes + ours.masks, classes + masks, strict=True):
        assert (mine - other).abs().max() < 2e-5 * max(1.0, float(other.abs().max()))


@pytest.mark.parametrize("classes", [[[0, 2, 4], [1]], [[3], []]])
def test_losses_with_the_same_points(classes):
    predictions = random_predictions(2, sets=1)
    labels = torch.stack([label_map(part) if part else torch.full((64, 96), 255) for part in classes])
    targets = targets_of(labels, CLASSES, 255)
    torch.manual_seed(7)
    ours = Mask2FormerLoss(LossSettings(points=POINTS))(
        Predictions(predictions.classes, predictions.masks), targets
    )
    torch.manual_seed(7)
    theirs = Theirs(loss=True).loss(
        predictions.masks[0],
        predictions.classes[0],
        [target.masks.float() for target in targets],
        [target.classes for target in targets],
    )
    weights = {
        "loss_cls": (2, "loss_cross_entropy"),
        "loss_mask": (5, "loss_mask"),
        "loss_dice": (5, "loss_dice"),
    }
    assert set(ours) == set(weights)
    for name, (weight, other) in weights.items():
        torch.testing.assert_close(ours[name], weight * theirs[other], rtol=1e-5, atol=1e-6)
