"""From images to objects and segments: windows, sizes, files."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from vit_adapter.annotations import Annotation, Instances, RunLengths, Segments, Window
from vit_adapter.config import ClassTable, InferenceConfig, InputError, ObjectConfig
from vit_adapter.heads import Queries
from vit_adapter.inference.joining import Part, groups_of_parts, join_objects
from vit_adapter.tasks import INSTANCE, PANOPTIC, Answers, DecodeSettings, InstanceResult, PanopticResult
from vit_adapter.tasks.joined_segments import owned_parts
from vit_adapter.tasks.panoptic import true_segments

CLASSES = ClassTable(("ground", "disc", "bar"), (7, 30, 90), is_thing=(False, True, True))


def scene(size: tuple[int, int], seed: int = 0) -> tuple[np.ndarray, Annotation]:
    """An image whose first channel tells the object (10, 20 ...), and the second its class; and what is true of it."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: size[0], : size[1]]
    image = np.zeros((*size, 3), np.uint8)
    number = 0
    for y in range(12, size[0] - 8, 24):
        for x in range(14, size[1] - 8, 26):
            number += 1
            if number % 3 == 0:
                inside = (abs(rows - y) <= 3) & (abs(columns - x) <= 9)
            else:
                inside = (rows - y) ** 2 + (columns - x) ** 2 <= int(rng.integers(20, 70))
            image[inside] = (number * 3 % 250 + 1, 1 if number % 3 else 2, 0)
    masks, classes = [], []
    for value in np.unique(image[..., 0]):
        if value:
            masks.append(image[..., 0] == value)
            classes.append(int(image[masks[-1]][0, 1]))
    truth = Instances.from_masks(np.array(classes), np.array(masks))
    return image, Annotation(labels=image[..., 1], instances=truth)


def seeing(window: torch.Tensor) -> Queries:
    """A model that sees every object of a window, those that are cut too, and the ground."""
    batch, _, height, width = window.shape
    padded = [-(-side // 32) * 32 for side in (height, width)]
    values = torch.zeros(batch, 3, *padded)
    values[..., :height, :width] = window
    queries = []
    for one in values.round():
        found = [(0, one[0] == 0)]
        found += [(int(one[1][one[0] == value][0]), one[0] == value) for value in one[0].unique() if value]
        classes = torch.full((60, 4), -20.0)
        masks = torch.full((60, *padded), -20.0)
        classes[:, 3] = 20.0
        for query, (label, mask) in enumerate(found):
            classes[query, 3], classes[query, label] = -20.0, 20.0
            masks[query][mask] = 20.0
        queries.append((classes, masks))
    return Queries(*(torch.stack(parts) for parts in zip(*queries, strict=True)))


def scoring(window: torch.Tensor) -> torch.Tensor:
    raise AssertionError("objects need no score maps")


def settings(**protocol) -> DecodeSettings:
    from vit_adapter.config import Normalization

    raw = Normalization((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    return DecodeSettings(
        InferenceConfig(normalization=raw, multiple=None, **protocol), CLASSES, "class_sums"
    )


@pytest.mark.parametrize(
    "protocol", [{"mode": "whole"}, {"crop": 64, "stride": 40}, {"crop": 96, "stride": 80}]
)
@pytest.mark.parametrize("size", [(96, 130), (150, 101), (50, 60)])
def test_objects_of_windows_are_those_of_the_image(protocol, size):
    image, truth = scene(size)
    (found,) = INSTANCE.decode(Answers(scoring, seeing), [image], settings(**protocol))
    evaluator = INSTANCE.evaluator(CLASSES, (), 100)
    evaluator.update(found.annotation, truth)
    assert truth.instances is not None
    assert len(found.instances) == len(truth.instances)
    assert evaluator.scores()["AP"] == pytest.approx(1)

    (panoptic,) = PANOPTIC.decode(Answers(scoring, seeing), [image], settings(**protocol))
    quality = PANOPTIC.evaluator(CLASSES, (), 100)
    quality.update(panoptic.annotation, truth)
    assert quality.scores()["PQ"] == pytest.approx(1)
    assert (panoptic.labels == truth.labels).all()
    assert len(panoptic.instances) == len(truth.instances)


def test_images_of_several_sizes_keep_their_order():
    images, truths = zip(*(scene(size, seed) for seed, size in enumerate([(64, 64), (90, 70), (64, 64)])))
    results = INSTANCE.decode(Answers(scoring, seeing), list(images), settings(crop=64, stride=40))
    for result, image, truth in zip(results, images, truths, strict=True):
        assert result.image is image
        assert len(result.instances) == len(truth.instances)


def test_masks_come_back_to_the_size_of_the_image():
    image, _ = scene((96, 128))
    for mode in ({"mode": "whole"}, {"crop": 64, "stride": 40}):
        enlarged = settings(resize=(256, 192), **mode)
        (found,) = PANOPTIC.decode(Answers(scoring, lambda window: coarse(window)), [image], enlarged)
        assert found.segments.ids.shape == (96, 128)
        (objects,) = INSTANCE.decode(Answers(scoring, lambda window: coarse(window)), [image], enlarged)
        for mask in objects.instances.masks:
            assert mask.size == (96, 128)


def coarse(window: torch.Tensor) -> Queries:
    """A disc of a quarter of each window's side in its upper left corner, at stride 4."""
    batch, _, height, width = window.shape
    rows, columns = (-(-side // 32) * 8 for side in (height, width))
    masks = torch.full((batch, 2, rows, columns), -20.0)
    masks[:, 0, : rows // 4, : columns // 4] = 20.0
    masks[:, 1] = -masks[:, 0]
    classes = torch.full((batch, 2, 4), -20.0)
    classes[:, 0, 1] = classes[:, 1, 0] = 20.0
    return Queries(classes, masks)


def test_views_are_refused_in_words():
    image, _ = scene((64, 64))
    with pytest.raises(InputError, match=r"2 views .* task semantic only"):
        INSTANCE.decode(Answers(scoring, seeing), [image], settings(flip=True))


def one_object(window: Window, box: tuple[int, int, int, int], label: int = 1, score: float = 0.9) -> Part:
    """A part with the rectangle that a window sees of a box of the image."""
    mask = np.zeros((200, 200), bool)
    mask[box[1] : box[3], box[0] : box[2]] = True
    own = mask[window.slices]
    return Part(
        window, Instances.from_masks(np.array([label]), [RunLengths.from_mask(own)], np.array([score]))
    )


def test_joined_where_both_windows_see_the_same():
    left, right = Window(0, 0, 100, 100), Window(0, 60, 100, 100)
    cut = one_object(left, (70, 10, 130, 40), score=0.6), one_object(right, (70, 10, 130, 40), score=0.8)
    joined = join_objects(cut, (100, 160))
    assert joined.boxes.tolist() == [[70, 10, 130, 40]]
    assert joined.scores.tolist() == pytest.approx([0.8])
    other_class = cut[0], one_object(right, (70, 10, 130, 40), label=2)
    assert len(groups_of_parts(other_class)) == 2
    neighbour = cut[0], one_object(right, (95, 10, 130, 40))
    assert len(groups_of_parts(neighbour)) == 2
    apart = one_object(Window(0, 0, 50, 50), (0, 0, 9, 9)), one_object(Window(0, 60, 50, 50), (60, 0, 69, 9))
    assert len(groups_of_parts(apart)) == 2


def test_one_object_through_many_windows():
    windows = [Window(0, left, 40, 50) for left in range(0, 151, 30)]
    parts = [one_object(window, (3, 5, 197, 30)) for window in windows]
    joined = join_objects(parts, (40, 200))
    assert joined.boxes.tolist() == [[3, 5, 197, 30]]
    assert joined.masks[0].area == 194 * 25


def test_every_pixel_has_one_owner():
    windows = [Window(top, left, 50, 60) for top in (0, 35, 70) for left in (0, 40)]
    count = np.zeros((120, 100), int)
    for window, owned in zip(windows, owned_parts(windows), strict=True):
        assert window.top <= owned.top <= owned.bottom <= window.bottom
        assert window.left <= owned.left <= owned.right <= window.right
        count[owned.slices] += 1
    assert (count == 1).all()


def test_thresholds_leave_objects_out():
    image, truth = scene((64, 90))
    areas = sorted(mask.sum() for mask in truth.instances.masks)
    wanted = ObjectConfig(min_area=int(areas[2]))
    (found,) = INSTANCE.decode(Answers(scoring, seeing), [image], settings(mode="whole", objects=wanted))
    assert len(found.instances) == sum(area >= areas[2] for area in areas)
    none = ObjectConfig(min_area=10_000)
    (found,) = INSTANCE.decode(Answers(scoring, seeing), [image], settings(mode="whole", objects=none))
    assert len(found.instances) == 0
    assert found.overlay().width > 0


def results() -> tuple[InstanceResult, PanopticResult, Annotation]:
    image, truth = scene((96, 130))
    both = [
        task.decode(Answers(scoring, seeing), [image], settings(crop=64, stride=40))[0]
        for task in (INSTANCE, PANOPTIC)
    ]
    return *both, truth


def test_files_of_objects(tmp_path):
    found, _, truth = results()
    files = found.save(tmp_path, "a/photo")
    assert [file.name for file in files] == ["photo_objects.png", "photo_objects.json", "photo_overlay.png"]
    table = json.loads(files[1].read_text())
    ids = np.asarray(Image.open(files[0]))
    assert {entry["category_id"] for entry in table["annotations"]} == {30, 90}
    assert [category["id"] for category in table["categories"]] == [7, 30, 90]
    for entry in table["annotations"]:
        mask = RunLengths.read(entry["segmentation"]["counts"], tuple(entry["segmentation"]["size"])).mask()
        assert (mask == (ids == entry["id"])).all()  # these do not overlap
        assert entry["area"] == mask.sum()
        left, top, width, height = entry["bbox"]
        assert mask[int(top) : int(top + height), int(left) : int(left + width)].sum() == entry["area"]
    coco = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    assert len(coco.COCO(str(files[1])).getAnnIds()) == len(truth.instances)


def test_files_of_segments(tmp_path):
    _, found, truth = results()
    files = found.save(tmp_path, "photo", overlay=False)
    assert [file.name for file in files] == ["photo_panoptic.png", "photo_panoptic.json"]
    red, green, blue = np.asarray(Image.open(files[0])).astype(int).transpose(2, 0, 1)
    ids = red + 256 * green + 65536 * blue
    table = json.loads(files[1].read_text())
    listed = {segment["id"]: segment for segment in table["annotations"][0]["segments_info"]}
    assert set(listed) == set(np.unique(ids[ids > 0]).tolist())
    for number, segment in listed.items():
        assert segment["area"] == (ids == number).sum()
        label = CLASSES.ids.index(segment["category_id"])
        assert segment["isthing"] == CLASSES.is_thing[label]
        assert set(truth.labels[ids == number].tolist()) == {label}


def test_nothing_of_a_result_is_left_where_a_file_cannot_be_written(tmp_path):
    found, panoptic, _ = results()
    (tmp_path / "photo_overlay.png").mkdir()
    for result in (found, panoptic):
        with pytest.raises(InputError, match=r"photo_overlay\.png"):
            result.save(tmp_path, "photo")
    assert [entry.name for entry in tmp_path.iterdir()] == ["photo_overlay.png"]


def test_true_segments_of_labels_and_objects():
    labels = np.array([[0, 0, 1, 1, 255], [0, 0, 1, 2, 2]], np.uint8)
    masks = np.zeros((3, 2, 5), bool)
    masks[0, 0, 2:4] = True
    masks[1, :, 2] = True  # covers the first one in part
    masks[2, 1, 3:] = True
    truth = Instances.from_masks(np.array([1, 1, 2]), masks, crowd=np.array([False, False, True]))
    segments = true_segments(Annotation(labels, truth), CLASSES)
    assert segments.classes.tolist() == [1, 1, 2, 0]
    assert segments.ids.tolist() == [[4, 4, 2, 1, 0], [4, 4, 2, 3, 3]]
    assert segments.crowd.tolist() == [False, False, True, False]
    with pytest.raises(InputError, match="labels and the masks"):
        true_segments(Annotation(labels), CLASSES)
    with pytest.raises(InputError, match="which classes are things"):
        PANOPTIC.evaluator(ClassTable.numbered(2), (), 100)


def test_segments_know_their_pixels():
    assert Segments(np.array([[1, 1], [0, 2]]), np.array([5, 6])).areas.tolist() == [2, 1]
