"""What a segmenter is given about itself: classes, normalisation, and how to build it again."""

from collections.abc import Sequence

from torch import Tensor, nn

from vit_adapter.backbones.backbone import PlainViTBackbone
from vit_adapter.config import ClassTable, InferenceConfig, InputError, Normalization
from vit_adapter.config.values import check_argument


def class_table(
    num_classes: int | None, class_names: Sequence[str] | None, classes: ClassTable | None
) -> ClassTable:
    """The classes of a model from any of the three ways to name them.

    Raises:
        InputError: None is given, or they contradict each other.
    """
    check_argument("num_classes", num_classes, int | None)
    if classes is None:
        if class_names is not None:
            # A text is a sequence of letters, and a set has no order that classes could keep.
            if isinstance(class_names, str) or not isinstance(class_names, Sequence) or not class_names:
                raise InputError(
                    f"class_names is {class_names!r}: expected a list of texts, one for each class"
                )
            classes = ClassTable(tuple(class_names), tuple(range(len(class_names))))
        elif num_classes is not None:
            if num_classes < 1:
                raise InputError(f"num_classes={num_classes}, expected at least 1")
            classes = ClassTable.numbered(num_classes)
        else:
            raise InputError("a Segmenter needs num_classes, class_names or classes")
    if num_classes is not None and num_classes != len(classes):
        raise InputError(f"num_classes={num_classes}, but {len(classes)} classes are named")
    return classes


def check_number_of_classes(classes: ClassTable, smallest: int) -> None:
    """Refuses one class for a head that compares the scores of classes: its loss would always be 0."""
    if len(classes) < smallest:
        name = classes.names[0]
        raise InputError(
            f"a single class ({name!r}) has nothing to compete with, so its loss is always 0; name the rest too, "
            f'such as --data.classes "[background, {name}]", or take --model.head mask2former'
        )


def normalization_of(backbone: nn.Module) -> Normalization:
    """What the backbone's ViT was trained with; ImageNet's where it does not say."""
    return getattr(backbone, "normalization", Normalization())


def channels_of(model: nn.Module, protocol: InferenceConfig) -> int:
    """Channels of the images that a segmenter takes.

    Args:
        model: The ``Segmenter``.
        protocol: The way it is to be applied.

    Raises:
        InputError: The protocol normalises another number of channels.
    """
    if not isinstance(model.backbone, PlainViTBackbone):
        return len(protocol.normalization.mean)  # custom modules do not say
    channels = model.backbone.vit_settings.in_chans
    check_number_of_means(protocol.normalization, channels)
    return channels


def check_number_of_means(normalization: Normalization, channels: int, where: str = "") -> None:
    """Refuses a protocol's normalisation for another number of channels than the model's.

    Args:
        normalization: Mean and standard deviation.
        channels: Channels of the model's images.
        where: File, for the message.

    Raises:
        InputError: They differ.
    """
    numbers = len(normalization.mean)
    if numbers != channels:
        raise InputError(
            f"{where}{': ' * bool(where)}protocol.normalization.mean has {numbers} number{'s' * (numbers != 1)}, but "
            f"the model takes images of {channels} channel{'s' * (channels != 1)} (model.vit.in_chans); "
            "expected one number for each channel"
        )


def check_labels(labels: Tensor, images: Tensor, num_classes: int, ignore_index: int) -> None:
    """Looks for labels of another size than their images, and on the CPU, where it costs nothing, at their values.

    Raises:
        InputError: Sizes differ, or a label is neither a class nor ignored.
    """
    expected = (len(images), *images.shape[-2:])
    if labels.shape != expected:
        raise InputError(f"labels are {tuple(labels.shape)}, expected {expected}")
    if labels.device.type != "cpu":
        return
    outside = (labels != ignore_index) & ((labels < 0) | (labels >= num_classes))
    if outside.any():
        raise InputError(
            f"labels hold the value {int(labels[outside][0])}, expected 0..{num_classes - 1} or {ignore_index} for "
            "ignored pixels"
        )
