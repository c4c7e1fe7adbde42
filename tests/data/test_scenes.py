"""The embedded scenes: reproducible, exact, of many sizes, and not to be solved by colour and position."""

import numpy as np
import pytest

from vit_adapter.config import DataConfig, InputError
from vit_adapter.data.dataset import offered_tasks, open_dataset
from vit_adapter.data.scenes import SCENE_CLASSES, Scene, object_size_statistics, render_scene, scene_dataset
from vit_adapter.data.scenes.scene_dataset import SceneDataset

NAMES = [scene_class.name for scene_class in SCENE_CLASSES]


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [render_scene(index, split="val") for index in range(120)]


@pytest.mark.parametrize("size", [(32, 32), (128, 128), (33, 200), (300, 64), (360, 480)])
def test_arrays_have_the_stated_form(size: tuple[int, int]):
    scene = render_scene(5, size, "train")
    assert scene.image.shape == (*size, 3)
    assert scene.labels.shape == scene.instances.shape == size
    assert (scene.image.dtype, scene.labels.dtype, scene.instances.dtype) == (np.uint8, np.uint8, np.int32)
    assert scene.labels.max() < len(SCENE_CLASSES)


def test_a_scene_is_the_same_at_every_call():
    first, second = render_scene(11), render_scene(11)
    for name in ("image", "labels", "instances"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


def test_no_two_scenes_coincide_within_or_across_splits():
    images = [render_scene(index, (64, 64), split).image for split in ("train", "val") for index in range(60)]
    assert len({image.tobytes() for image in images}) == len(images)
    # Not near-copies either: the same index in the other split is as far away as any other scene.
    arrays = np.stack(images).astype(np.float32).reshape(len(images), -1)
    distances = np.abs(arrays[:, None, ::7] - arrays[None, :, ::7]).mean(-1) + 1e3 * np.eye(len(images))
    assert distances.min() > 8


def test_things_and_only_things_have_instances(scenes: list[Scene]):
    things = np.array([scene_class.is_thing for scene_class in SCENE_CLASSES])
    for scene in scenes:
        np.testing.assert_array_equal(scene.instances > 0, things[scene.labels])
        count = scene.instances.max()
        assert set(np.unique(scene.instances)) - {0} == set(range(1, count + 1))
        for number in range(1, count + 1):
            assert len(np.unique(scene.labels[scene.instances == number])) == 1


def test_panoptic_segments_tile_the_image(scenes: list[Scene]):
    for scene in scenes:
        ids, segments = scene.panoptic()
        assert segments == scene.segments()
        assert [segment.id for segment in segments] == list(range(1, len(segments) + 1))
        assert sum(segment.area for segment in segments) == scene.labels.size
        for segment in segments:
            mask = ids == segment.id
            assert mask.sum() == segment.area
            assert np.unique(scene.labels[mask]).tolist() == [segment.class_index]
            assert segment.is_thing == SCENE_CLASSES[segment.class_index].is_thing
            if segment.is_thing:
                assert np.unique(scene.instances[mask]).tolist() == [segment.id]
            else:
                assert mask.sum() == (scene.labels == segment.class_index).sum()


def test_every_class_occurs_in_most_scenes(scenes: list[Scene]):
    occurrence = np.mean([[index in scene.labels for index in range(len(NAMES))] for scene in scenes], axis=0)
    assert dict(zip(NAMES, occurrence >= 0.8)) == dict.fromkeys(NAMES, True)


def test_small_objects_stay_in():
    sizes = object_size_statistics(150, (128, 128), "val", small=64)
    assert set(sizes) == {"car", "person"}
    assert 1 / 4 <= sizes["car"].small_share < 0.4
    assert 1 / 3 <= sizes["person"].small_share < 0.5
    for statistics in sizes.values():
        low, middle, high = statistics.quartiles
        assert low <= middle <= high
        assert statistics.count > 300


def test_object_size_statistics_agree_with_the_truth(scenes: list[Scene]):
    areas = {"car": [], "person": []}
    for scene in scenes[:20]:
        for number in range(1, scene.instances.max() + 1):
            mask = scene.instances == number
            areas[NAMES[scene.labels[mask][0]]].append(int(mask.sum()))
    for name, statistics in object_size_statistics(20, (128, 128), "val", small=100).items():
        assert statistics.count == len(areas[name])
        assert statistics.small_share == pytest.approx(np.mean(np.array(areas[name]) < 100))
        assert statistics.quartiles[1] == pytest.approx(np.median(areas[name]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1, (128, 128), "train"), "scene index -1"),
        ((0, (31, 128), "train"), "scene size 31 x 128"),
        ((0, (128, 128), "test"), 'split "test"'),
    ],
)
def test_bad_arguments_get_one_clear_line(arguments: tuple, message: str):
    with pytest.raises(InputError, match=message) as error:
        render_scene(*arguments)
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_colour_and_position_do_not_give_the_class_away():
    """Boosted trees on (R, G, B, y, x) of 200,000 training pixels stay at or below 0.55 mIoU on validation pixels."""
    ensemble = pytest.importorskip("sklearn.ensemble")

    def pixels(split: str, count: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(0)
        features, labels = [], []
        for index in range(count):
            scene = render_scene(index, split=split)
            picked = rng.choice(scene.labels.size, 500, replace=False)
            y, x = np.divmod(picked, scene.labels.shape[1])
            features.append(np.column_stack([scene.image.reshape(-1, 3)[picked], y, x]))
            labels.append(scene.labels.ravel()[picked])
        return np.concatenate(features), np.concatenate(labels)

    trees = ensemble.HistGradientBoostingClassifier(random_state=0).fit(*pixels("train", 400))
    features, truth = pixels("val", 200)
    confusion = np.zeros((len(NAMES), len(NAMES)))
    np.add.at(confusion, (truth, trees.predict(features)), 1)
    correct = np.diag(confusion)
    iou = correct / (confusion.sum(0) + confusion.sum(1) - correct)
    assert iou.mean() <= 0.55
    assert iou.mean() > 1 / len(NAMES) / 2, "trees that learn nothing would prove nothing"


def test_a_data_set_draws_a_scene_once_while_there_is_room(monkeypatch):
    dataset = SceneDataset(DataConfig(layout="scenes", scenes=(3, 1), scene_size=64), "train")
    first = dataset.read(1)
    assert dataset.read(1) is first
    with pytest.raises(ValueError, match="read-only"):
        first.labels[0, 0] = 1
    monkeypatch.setattr(scene_dataset, "KEPT_BYTES", 2 * (first.image.nbytes + first.labels.nbytes))
    assert dataset.read(2) is dataset.read(2)
    assert dataset.read(0) is not dataset.read(0)
    np.testing.assert_array_equal(dataset.read(0).image, render_scene(0, (64, 64), "train").image)


def test_scenes_keep_their_objects():
    """Every car and person with its visible mask; image and labels are those of the semantic task, bit by bit."""
    config = DataConfig(layout="scenes", scenes=(6, 2), scene_size=96)
    plain, panoptic, instance = (
        open_dataset(config, "train", task=task) for task in ("semantic", "panoptic", "instance")
    )
    assert offered_tasks(config) == ("panoptic", "instance", "detection", "semantic")
    assert plain.read(0).annotation.instances is None
    assert panoptic.classes == plain.classes
    assert instance.classes.names == ("car", "person")
    assert instance.classes.ids == (5, 6)
    assert instance.classes.is_thing == (True, True)
    seen = 0
    for index in range(6):
        scene = render_scene(index, (96, 96), "train")
        sample, things = panoptic.read(index), instance.read(index)
        for other in (sample, things):
            np.testing.assert_array_equal(other.image, plain.read(index).image)
        np.testing.assert_array_equal(sample.labels, plain.read(index).labels)
        relabelled = np.array([255, 255, 255, 255, 255, 0, 1])[sample.labels]
        np.testing.assert_array_equal(things.labels, relabelled)
        objects = sample.annotation.instances
        assert objects is not None
        assert len(objects) == scene.instances.max()
        for number, (kind, mask) in enumerate(zip(objects.classes, objects.masks, strict=True), start=1):
            np.testing.assert_array_equal(mask.mask(), scene.instances == number)
            assert set(sample.labels[scene.instances == number]) == {kind}
        assert things.annotation.instances is not None
        np.testing.assert_array_equal(things.annotation.instances.classes, objects.classes - 5)
        seen += len(objects)
    assert seen > 20
