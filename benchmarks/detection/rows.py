"""The rows of the detection study: what each tells, and its settings."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from vit_adapter.config import (
    AdapterConfig,
    ATSSConfig,
    AugmentationConfig,
    CascadeConfig,
    DataConfig,
    HeadConfig,
    InferenceConfig,
    MaskRCNNConfig,
    ModelConfig,
    ObjectConfig,
    PyramidConfig,
    RunConfig,
    TaskName,
    TrainingConfig,
    ViTConfig,
)


@dataclass(frozen=True)
class DataSet:
    """How the images of a data set are seen.

    Attributes:
        crop: Side of a training crop and of a window, in pixels.
        scales: Smallest and largest factor of a training image.
        scale: Factor of an image that is measured.
        vertical_flip: Probability of a mirror image upside down.
        objects: Most objects of an image.
        folder: Below the folder of all data.
    """

    crop: int
    scales: tuple[float, float]
    scale: float
    vertical_flip: float
    objects: int
    folder: str


DATA = {
    # Half of the nuclei are smaller than 20 pixels, so images are enlarged; an image has up to 369 of them.
    "nuclei": DataSet(256, (1.0, 2.5), 1.5, 0.5, 500, "nuclei"),
    "nuclei as they are": DataSet(192, (0.7, 1.6), 1.0, 0.5, 500, "nuclei"),
    "coco128": DataSet(448, (0.6, 1.6), 1.0, 0.0, 100, "coco128"),
}

TWO_STAGES: dict[str, Any] = {"channels": 128, "box_width": 512, "region_samples": 128}
# Anchors of the finest level have sides of 14 pixels, of the median nucleus 20 x 1.5 = 30 is that of the second.
NUCLEI: dict[str, Any] = {
    **TWO_STAGES,
    "anchor_scale": 3.5,
    "training_proposals": 500,
    "proposals": 500,
    "detections": 200,
}
SMALL: dict[str, Any] = {
    **NUCLEI,
    "channels": 96,
    "box_width": 256,
    "region_samples": 64,
    "anchor_scale": 2.5,
    "training_proposals": 200,
    "proposals": 300,
}
HEADS: dict[str, HeadConfig] = {
    "nuclei-small": MaskRCNNConfig(**SMALL),
    "nuclei-mask-rcnn": MaskRCNNConfig(**NUCLEI),
    "nuclei-cascade": CascadeConfig(**NUCLEI, box_convolutions=2, box_norm="none"),
    "nuclei-atss": ATSSConfig(channels=128, convolutions=2, finest_stride=4, anchor_scale=3.5),
    "coco128-mask-rcnn": MaskRCNNConfig(**TWO_STAGES),
    "coco128-cascade": CascadeConfig(**TWO_STAGES, box_convolutions=2, box_norm="none"),
    "coco128-atss": ATSSConfig(channels=128, convolutions=2),
}


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        title: What it is, as the table names it.
        data: Key of ``DATA``.
        head: Key of ``HEADS``.
        tuned: The ViT is trained, too, and the adapter injects into it.
        gated: Both parts of the pyramid are normalised by themselves, the adapter's from weight 0.
        alone: No adapter: a pyramid of the ViT's own maps.
        training: Settings of ``TrainingConfig`` that differ.
    """

    title: str
    data: Literal["nuclei", "nuclei as they are", "coco128"]
    head: str
    tuned: bool = False
    gated: bool = False
    alone: bool = False
    training: dict[str, Any] = field(default_factory=dict)

    @property
    def task(self) -> TaskName:
        """ATSS finds boxes, the others masks as well."""
        return "detection" if isinstance(HEADS[self.head], ATSSConfig) else "instance"

    def config(self, weights: str, data: str, out: str) -> RunConfig:
        """All settings of its run; ``data`` is the folder that holds both data sets."""
        seen = DATA[self.data]
        vit = ViTConfig(name="vit_small_patch14_dinov2", pretrained=weights, frozen="vit", drop_path_rate=0.0)
        adapter = AdapterConfig(injectors=False, pyramid_gate=0.0 if self.gated else None)
        training = TrainingConfig(
            steps=400,
            batch_size=2,
            learning_rate=1e-3,
            warmup_steps=25,
            clip_gradient_norm=1.0,
            checkpoint_every=50,
            out=out,
            quiet=True,
        )
        if self.tuned:
            # The ViT's blocks learn the slower the nearer they are to the image; adapter and head at the full rate.
            vit, adapter = replace(vit, frozen=None), replace(adapter, injectors=True)
            training = replace(training, learning_rate=5e-4, layer_decay=0.65)
        augmentation = AugmentationConfig(
            scale_range=seen.scales,
            crop=seen.crop,
            category_max_ratio=1.0,
            vertical_flip=seen.vertical_flip,
            photometric=True,
        )
        protocol = InferenceConfig(
            crop=seen.crop,
            stride=seen.crop * 2 // 3,
            scales=(seen.scale,),
            objects=ObjectConfig(max_objects=seen.objects),
        )
        return RunConfig(
            ModelConfig(vit, PyramidConfig() if self.alone else adapter, HEADS[self.head]),
            DataConfig(root=f"{data}/{seen.folder}", workers=0, augmentation=augmentation),
            replace(training, **self.training),
            protocol=protocol,
            task=self.task,
        )


FEW_STEPS = {"steps": 250, "learning_rate": 2e-3}
LONG = {"steps": 2000, "batch_size": 4, "warmup_steps": 100}
LONG_COCO = {"steps": 1500, "batch_size": 4, "warmup_steps": 100}

ROWS: dict[str, Row] = {
    "nuclei-small": Row(
        "Mask R-CNN, frozen ViT, 96 channels, 64 regions",
        "nuclei as they are",
        "nuclei-small",
        training=FEW_STEPS,
    ),
    "nuclei-small-gated": Row(
        "the same, both parts of the pyramid normalised",
        "nuclei as they are",
        "nuclei-small",
        gated=True,
        training=FEW_STEPS,
    ),
    "nuclei-small-alone": Row(
        "the same, the ViT alone",
        "nuclei as they are",
        "nuclei-small",
        alone=True,
        training=FEW_STEPS,
    ),
    "nuclei-gated": Row(
        "Mask R-CNN, frozen ViT, both parts of the pyramid normalised",
        "nuclei",
        "nuclei-mask-rcnn",
        gated=True,
        training={"steps": 600, "learning_rate": 2e-3},
    ),
    "nuclei-gated-long": Row(
        "the same, longer",
        "nuclei",
        "nuclei-mask-rcnn",
        gated=True,
        training={"steps": 1500, "learning_rate": 2e-3},
    ),
    "nuclei-mask-rcnn": Row("Mask R-CNN, frozen ViT", "nuclei", "nuclei-mask-rcnn"),
    "nuclei-mask-rcnn-long": Row("Mask R-CNN, frozen ViT, long", "nuclei", "nuclei-mask-rcnn", training=LONG),
    "nuclei-mask-rcnn-tuned": Row(
        "Mask R-CNN, tuned ViT, long", "nuclei", "nuclei-mask-rcnn", tuned=True, training=LONG
    ),
    "nuclei-cascade": Row("Cascade Mask R-CNN, frozen ViT, long", "nuclei", "nuclei-cascade", training=LONG),
    "nuclei-atss": Row("ATSS, frozen ViT, long", "nuclei", "nuclei-atss", training=LONG),
    "coco128-mask-rcnn": Row("Mask R-CNN, frozen ViT", "coco128", "coco128-mask-rcnn", training=LONG_COCO),
    "coco128-mask-rcnn-tuned": Row(
        "Mask R-CNN, tuned ViT", "coco128", "coco128-mask-rcnn", tuned=True, training=LONG_COCO
    ),
    "coco128-cascade": Row(
        "Cascade Mask R-CNN, frozen ViT", "coco128", "coco128-cascade", training=LONG_COCO
    ),
    "coco128-atss": Row("ATSS, frozen ViT", "coco128", "coco128-atss", training=LONG_COCO),
}
