"""The data sets that models were published for: classes, colours, sizes."""

from dataclasses import dataclass

from vit_adapter.config import ClassTable, class_names
from vit_adapter.config.class_names import colours_of, names_of


@dataclass(frozen=True)
class PublishedDataset:
    """A data set of a published model.

    Attributes:
        title: Its name in full.
        layout: The reader of its official folders (``DataConfig.layout``).
        class_names: Trimmed names, in the order of the labels.
        palette: (red, green, blue) of each class.
        reduce_zero: The mask value 0 is ignored and k stands for class k - 1.
        train_images: Published number of images for training.
        val_images: Published number of images for validation.
        metric: What is published: "mIoU" or "mDice".
        homepage: Where it can be obtained.
        evaluated_on: Name of the data set on which models of this one are measured; None: its own.
    """

    title: str
    layout: str
    class_names: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    reduce_zero: bool
    train_images: int
    val_images: int
    homepage: str
    metric: str = "mIoU"
    evaluated_on: str | None = None

    def classes(self) -> ClassTable:
        """Names, colours, and the mask values that stand for the classes in the prepared label files."""
        first = 1 if self.reduce_zero else 0
        ids = tuple(range(first, first + len(self.class_names)))
        return ClassTable(self.class_names, ids, self.palette, ignore_id=0 if self.reduce_zero else 255)


def _dataset(texts: tuple[str, str], skip: int = 0, **facts) -> PublishedDataset:
    names, palette = names_of(texts)[skip:], colours_of(texts)[skip:]
    return PublishedDataset(class_names=names, palette=palette, **facts)


DATASETS: dict[str, PublishedDataset] = {
    "ade20k": _dataset(
        class_names.ADE20K,
        title="ADE20K (SceneParsing 2016, 150 classes)",
        layout="ade20k",
        reduce_zero=True,
        train_images=20210,
        val_images=2000,
        homepage="https://groups.csail.mit.edu/vision/datasets/ADE20K",
    ),
    "cityscapes": _dataset(
        class_names.CITYSCAPES,
        title="Cityscapes fine",
        layout="cityscapes",
        reduce_zero=False,
        train_images=2975,
        val_images=500,
        homepage="https://www.cityscapes-dataset.com",
    ),
    "coco_stuff10k": _dataset(
        class_names.COCO_STUFF,
        title="COCO-Stuff 10K v1.1",
        layout="coco_stuff10k",
        reduce_zero=True,
        train_images=9000,
        val_images=1000,
        homepage="https://github.com/nightrome/cocostuff10k",
    ),
    "coco_stuff164k": _dataset(
        class_names.COCO_STUFF,
        title="COCO-Stuff 164K",
        layout="coco_stuff164k",
        reduce_zero=False,
        train_images=118287,
        val_images=5000,
        homepage="https://github.com/nightrome/cocostuff",
    ),
    "pascal_context_59": _dataset(
        class_names.PASCAL_CONTEXT,
        skip=1,
        title="PASCAL Context, 59 classes",
        layout="pascal_context_59",
        reduce_zero=True,
        train_images=4998,
        val_images=5105,
        homepage="https://cs.stanford.edu/~roozbeh/pascal-context",
    ),
    "pascal_context_60": _dataset(
        class_names.PASCAL_CONTEXT,
        title="PASCAL Context, 60 classes",
        layout="pascal_context_60",
        reduce_zero=False,
        train_images=4998,
        val_images=5105,
        homepage="https://cs.stanford.edu/~roozbeh/pascal-context",
    ),
    "mapillary_vistas": _dataset(
        class_names.MAPILLARY_VISTAS,
        title="Mapillary Vistas v1.2, trained as 19 Cityscapes classes",
        layout="mapillary_vistas",
        reduce_zero=False,
        train_images=20000,
        val_images=500,
        homepage="https://www.mapillary.com/dataset/vistas",
        evaluated_on="cityscapes",
    ),
    "potsdam": _dataset(
        class_names.POTSDAM,
        title="ISPRS Potsdam",
        layout="potsdam",
        reduce_zero=True,
        train_images=3456,
        val_images=2016,
        homepage="https://www.isprs.org/education/benchmarks/UrbanSemLab",
    ),
    "chase_db1": _dataset(
        class_names.CHASE_DB1,
        title="CHASE DB1",
        layout="chase_db1",
        reduce_zero=False,
        train_images=20,
        val_images=8,
        homepage="https://blogs.kingston.ac.uk/retinal/chasedb1",
        metric="mDice",
    ),
}
"""Every data set of the published recipes, and Pascal Context with 60 classes, which none of them uses."""
