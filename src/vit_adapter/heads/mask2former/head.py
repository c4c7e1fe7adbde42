"""Pixel decoder, transformer decoder and loss as one head."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vit_adapter.config import InputError, Mask2FormerConfig, TrainingConfig
from vit_adapter.heads.precision import at_least_float32, full_precision

from ..answers import Queries, TransformersForm
from ..head import Head, Targets
from ..resize import resize_maps
from .attention import Attention
from .feedforward import FeedForward
from .loss import LossSettings, Mask2FormerLoss
from .pixel_decoder import PixelDecoder
from .targets import masks_of_objects, targets_of
from .transformer_decoder import Predictions, TransformerDecoder
from .transformers_names import to_transformers_names

THEIR_GROUPS, THEIR_POINTS = 32, 4
"""What Hugging Face's form fixes, as all published models have it."""


class Mask2FormerHead(Head):
    """Segments by queries that each have a class and a mask (Cheng et al., CVPR 2022), as ViT-Adapter publishes it.

    Args:
        in_channels: Widths of the pyramid's maps at strides 4, 8, 16, 32.
        num_classes: Number of classes K; 1 is allowed.
        config: Its sizes.
        mask_channels: Width of the mask features; None: that of the rest.
        points: Sampling points per head and level of the pixel decoder.
        groups: Groups of the pixel decoder's group norms.
        project_inputs: 1×1 convolutions between the decoders; the published models have none.
        loss_settings: How it is trained; None: as published.

    Attributes:
        criterion: Matching and loss.

    Raises:
        InputError: Sizes do not fit each other.
    """

    tasks = ("semantic", "instance", "panoptic")
    min_classes = 1
    scores_are = "class_sums"
    takes_class_weights = False
    reaches_all_parameters = False
    classifiers = ("transformer_decoder.classifier",)
    extra_rows = 1

    def __init__(
        self,
        in_channels: Sequence[int],
        num_classes: int,
        config: Mask2FormerConfig | None = None,
        *,
        mask_channels: int | None = None,
        points: int = 4,
        groups: int = 32,
        project_inputs: bool = False,
        loss_settings: LossSettings | None = None,
    ) -> None:
        super().__init__()
        config = config or Mask2FormerConfig()
        mask_channels = mask_channels or config.channels
        self.num_classes, self.num_queries = num_classes, config.queries
        self.config, self.mask_channels, self.project_inputs = config, mask_channels, project_inputs
        self.groups, self.points = groups, points
        self.pixel_decoder = PixelDecoder(
            in_channels,
            config.channels,
            mask_channels,
            config.encoder_layers,
            config.heads,
            config.encoder_feedforward,
            points=points,
            groups=groups,
            float32_points=config.float32_pixel_decoder,
            grad_checkpointing=config.grad_checkpointing,
        )
        self.transformer_decoder = TransformerDecoder(
            num_classes,
            config.channels,
            mask_channels,
            config.queries,
            config.decoder_layers,
            config.heads,
            config.decoder_feedforward,
            project_inputs=project_inputs,
            grad_checkpointing=config.grad_checkpointing,
        )
        self.criterion = Mask2FormerLoss(loss_settings or LossSettings(points=config.loss_points))
        if config.matrix_init == "uniform":
            self._start_uniform()

    @classmethod
    def most_queries(cls, settings: Mask2FormerConfig) -> int:
        """See ``Head.most_queries``."""
        return settings.queries

    def _start_uniform(self) -> None:
        """Matrices of both decoders, of the deformable attention excepted (behaviour 117)."""
        for module in self.modules():
            if isinstance(module, Attention):
                matrices = (module.in_projection.weight, module.output_projection.weight)
            elif isinstance(module, FeedForward):
                matrices = (module.fc1.weight, module.fc2.weight)
            else:
                continue
            for matrix in matrices:
                nn.init.xavier_uniform_(matrix)

    def forward(self, pyramid: Sequence[Tensor]) -> Tensor:
        """Scores of every class.

        Args:
            pyramid: Maps [B, C_i, h_i, w_i] at strides 4, 8, 16, 32; any sizes.

        Returns:
            [B, K, h_0, w_0], at least float32: see ``class_sums``.
        """
        queries = self.find(pyramid)
        return class_sums(queries.classes, queries.masks)

    def scores_at(self, pyramid: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        """Scores made of mask logits that were resized first, see ``Head.scores_at`` (behaviour 118)."""
        queries = self.find(pyramid)
        # One image after the other: at full size the masks of all queries are large.
        return torch.cat(
            [
                class_sums(classes, resize_maps(masks, size))
                for classes, masks in zip(queries.classes.split(1), queries.masks.split(1), strict=True)
            ]
        )

    def stand_in_loss(self, pyramid: Sequence[Tensor], area: tuple[int, int], ignore_index: int) -> Tensor:
        """See ``Head.stand_in_loss``; every image has ten masks."""
        return self.criterion.stand_in(self.predictions(pyramid), min(10, self.num_queries), area)

    def find(self, pyramid: Sequence[Tensor], area: tuple[int, int] | None = None) -> Queries:
        """Class and mask logits after the last layer, see ``Head.find``; masks at stride 4, over the whole pyramid."""
        predictions = self.predictions(pyramid, last_only=True)
        return Queries(predictions.classes[-1], predictions.masks[-1])

    def predictions(
        self,
        pyramid: Sequence[Tensor],
        attention_masks: Sequence[Tensor] | None = None,
        last_only: bool = False,
    ) -> Predictions:
        """Class and mask logits before the first layer and after each one.

        Args:
            pyramid: See ``forward``.
            attention_masks: bool [B, Q, S] for each layer, true where a query must not look, instead of what the
                predictions say; S is the area of the map at stride 32, 16, 8, 32 ...
            last_only: Of classes and masks the last set alone.
        """
        if self.config.float32_pixel_decoder:
            with full_precision(pyramid[0].device.type):
                maps, mask_features = self.pixel_decoder([at_least_float32(level) for level in pyramid])
        else:
            maps, mask_features = self.pixel_decoder(pyramid)
        return self.transformer_decoder(maps, mask_features, attention_masks, last_only)

    def in_transformers(self) -> TransformersForm:
        """See ``Head.in_transformers``."""
        if (self.groups, self.points) != (THEIR_GROUPS, THEIR_POINTS):
            raise InputError(
                f"the head has {self.groups} groups and {self.points} sampling points, expected {THEIR_GROUPS} and "
                f"{THEIR_POINTS}"
            )
        config = self.config
        settings = {
            "feature_size": config.channels,
            "mask_feature_size": self.mask_channels,
            "hidden_dim": config.channels,
            "encoder_layers": config.encoder_layers,
            "encoder_feedforward_dim": config.encoder_feedforward,
            "decoder_layers": config.decoder_layers + 1,  # it counts the prediction before the first layer
            "dim_feedforward": config.decoder_feedforward,
            "num_attention_heads": config.heads,
            "num_queries": config.queries,
            "train_num_points": config.loss_points,
            "enforce_input_projection": self.project_inputs,
        }
        return TransformersForm(settings, to_transformers_names(self.state_dict()))

    def configure_loss(
        self, training: TrainingConfig, class_weights: Sequence[float] | None, ignore_index: int
    ) -> None:
        """Nothing to take over: its loss weighs masks, by ``LossSettings``."""

    def count(self, targets: Targets) -> float:
        """Number of masks of a batch that queries will be matched with."""
        counts = [
            int((labels.unique() != targets.ignore_index).sum()) for labels in targets.required_labels()
        ]
        return float(sum(min(count, self.num_queries) for count in counts))

    def loss(
        self, pyramid: Sequence[Tensor], targets: Targets, divisor: float | None = None
    ) -> dict[str, Tensor]:
        """What training minimizes, by its published names; see ``Mask2FormerLoss``.

        Args:
            pyramid: See ``forward``.
            targets: Masks of objects, or labels, of which every class present is a mask. Pixels in none of them,
                such as ignored ones and those beyond the images, count as outside of every mask.
            divisor: See ``Mask2FormerLoss``.

        Raises:
            InputError: Classes are outside 0..K-1, or the targets do not fit the pyramid.
            NotFiniteCosts: The predictions hold NaN or infinity.
        """
        if targets.objects is not None:
            masks = masks_of_objects(targets.objects, self.num_classes, targets.area)
            self._check_size(pyramid, len(masks), targets.area)
        else:
            labels = targets.required_labels()
            batch, *size = labels.shape
            self._check_size(pyramid, batch, targets.area)
            margin = (0, targets.area[1] - size[1], 0, targets.area[0] - size[0])
            labels = F.pad(labels, margin, value=targets.ignore_index)
            masks = targets_of(labels, self.num_classes, targets.ignore_index)
        return self.criterion(self.predictions(pyramid), masks, divisor)

    def _check_size(self, pyramid: Sequence[Tensor], batch: int, area: tuple[int, int]) -> None:
        (rows, columns), (height, width) = pyramid[0].shape[-2:], area
        if batch != len(pyramid[0]) or height % rows or width % columns or height // rows != width // columns:
            raise InputError(
                f"labels are {batch}×{height}×{width}, which does not fit a batch of {len(pyramid[0])} with a finest "
                f"map of {rows}×{columns}"
            )


def class_sums(class_logits: Tensor, mask_logits: Tensor) -> Tensor:
    """Sum over the queries of class probability × mask probability (behaviour 73).

    Args:
        class_logits: [B, Q, K + 1]; the last column, "no object", only takes its share of the probability.
        mask_logits: [B, Q, h, w].

    Returns:
        [B, K, h, w], 0..Q, at least float32.
    """
    classes = at_least_float32(class_logits).softmax(-1)[..., :-1]
    masks = at_least_float32(mask_logits).sigmoid()
    with full_precision(masks.device.type):
        return torch.einsum("bqk,bqhw->bkhw", classes, masks)
