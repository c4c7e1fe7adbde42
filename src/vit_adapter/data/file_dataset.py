"""Pairs of image and mask files as a data set."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vit_adapter.annotations import Annotation, Instances
from vit_adapter.config import DataConfig, InputError
from vit_adapter.images import Mask

from .found_objects import ObjectReader, instances_of
from .image_reading import ImageReading
from .labels import LabelMapping
from .layouts.pairs import Pair
from .sample import Sample
from .scan import MaskReading, Palettes, used_palette


class FileDataset:
    """Pairs of image and mask files.

    Attributes:
        classes: The classes.
        names: Name of every image.
        config: The settings it was opened with.
        pairs: The files.
        reading: How mask files are read.
        mapping: How mask values become labels.
        remarks: Remarks on how its files were understood, one line each.
        images: How image files are read.
        void_labels: Labels of classes whose pixels are all ignored (of a model that knows them).
        objects: Reads the objects that go with a mask; None: samples hold labels alone.
        annotation_files: Files that tell of several images.
    """

    def __init__(
        self,
        config: DataConfig,
        pairs: Sequence[Pair],
        reading: MaskReading,
        mapping: LabelMapping,
        palettes: Palettes,
        images: ImageReading,
        remarks: Sequence[str] = (),
        objects: ObjectReader | None = None,
        annotation_files: Sequence[Path] = (),
    ) -> None:
        self.objects, self.annotation_files = objects, tuple(annotation_files)
        self.images = images
        self.config = config
        self.pairs = list(pairs)
        self.reading = reading
        self.mapping = mapping
        self.classes = mapping.table
        self.void_labels = mapping.void_labels
        self.names = [pair.name for pair in self.pairs]
        self._palettes = palettes
        self.remarks = list(remarks)

    def __len__(self) -> int:
        """Number of images."""
        return len(self.pairs)

    def read(self, index: int) -> Sample:
        """Reads an image, its labels and, where they are wanted, its objects.

        Raises:
            vit_adapter.images.UnreadableImageError: When the image cannot be decoded; such an image may be
                skipped.
            InputError: When the mask cannot be read, has another size than the image, holds an unknown value,
                or has a palette that disagrees with other files'.
        """
        pair = self.pairs[index]
        image = self.images.load(pair.image)
        mask, labels = self._read_mask(index)
        check_size(pair, image.shape[:2], labels.shape)
        return Sample(image, Annotation(labels, self._objects_of(index, mask, labels)), pair.name)

    def read_labels(self, index: int) -> np.ndarray:
        """The labels alone, uint8 or uint16 [H, W]; errors as for ``read``."""
        return self._read_mask(index)[1]

    def read_annotation(self, index: int) -> Annotation:
        """Labels and, where they are wanted, objects, without the image; errors as for ``read``."""
        mask, labels = self._read_mask(index)
        return Annotation(labels, self._objects_of(index, mask, labels))

    def _objects_of(self, index: int, mask: Mask, labels: np.ndarray) -> Instances | None:
        if self.objects is None:
            return None
        file = self.pairs[index].mask
        return instances_of(self.objects(file, mask, self.config.max_pixels), labels, self.mapping, file)

    def _read_mask(self, index: int) -> tuple[Mask, np.ndarray]:
        file = self.pairs[index].mask
        mask = self.reading.load(file)
        if self.reading.palettes_matter and self.mapping.colours is None and mask.palette is not None:
            problem = self._palettes.problem(file, used_palette(mask))
            if problem is not None:
                raise InputError(problem)
        return mask, self.mapping.encode(mask, str(file))


def check_size(pair: Pair, image: tuple[int, ...], mask: tuple[int, ...]) -> None:
    """Raises InputError when an image and its mask differ in (height, width), in displayed orientation."""
    if image != mask and pair.mask == pair.image:
        turned = (
            "; annotate images as a viewer shows them, turned by their EXIF tag"
            if image == mask[::-1]
            else ""
        )
        raise InputError(
            f"{pair.image}: {image[1]}x{image[0]} pixels (width x height), but its annotations are for "
            f"{mask[1]}x{mask[0]}{turned}"
        )
    if image != mask:
        turned = (
            "; draw masks as a viewer shows the image, turned by its EXIF tag" if image == mask[::-1] else ""
        )
        raise InputError(
            f"{pair.mask}: {mask[1]}x{mask[0]} pixels (width x height), but its image {pair.image} has "
            f"{image[1]}x{image[0]}{turned}"
        )
