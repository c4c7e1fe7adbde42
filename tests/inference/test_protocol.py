"""How a model is applied: sizes, orientation, views, batches (situations S21-S25, S39)."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from views import prepared_views, scores_of_view, whole_view
from vit_adapter.config import InferenceConfig, InputError, Normalization
from vit_adapter.images import normalize, pad, resize_image
from vit_adapter.inference import Application, plan_views, predict_labels
from vit_adapter.inference import application as application_module
from vit_adapter.inference.application import single_view_probabilities

from .stand_in import Surroundings, by_colour

OWN = InferenceConfig(multiple=None, crop=64, stride=43)
PUBLISHED = InferenceConfig(resize=(256, 64), crop=64, stride=43)
SETR = InferenceConfig(resize=(256, 64), resize_rule="short_side", multiple=None, crop=64, stride=43)
PADDED = InferenceConfig(resize=(256, 48), crop=64, stride=43, pad_to_crop="after", unpad=True)
WHOLE = InferenceConfig(resize=(256, 64), mode="whole")
ALL = pytest.mark.parametrize(
    "protocol",
    [OWN, PUBLISHED, SETR, PADDED, WHOLE, replace(PUBLISHED, scales=(0.5, 1.25), flip=True)],
    ids=["own", "published", "setr", "padded", "whole", "views"],
)


def photo(height, width, seed=0):
    """Noise in which neighbours resemble each other."""
    noise = (
        np.random.default_rng(seed).integers(0, 256, (height // 6 + 2, width // 6 + 2, 3)).astype(np.uint8)
    )
    return resize_image(noise, (height, width))


def scores_of(image, protocol, model=None, classes=5, **options):
    return Application(
        model or by_colour(classes), [image], protocol, num_classes=classes, **options
    ).scores()[0]


@ALL
@pytest.mark.parametrize(
    "size",
    [(1, 1), (513, 1), (1, 513), (5, 400), (300, 10), (24, 4), (10, 6), (63, 65), (64, 64), (150, 200)],
)
def test_labels_have_the_size_of_the_image(protocol, size):
    prediction = Application(Surroundings(5), [photo(*size)], protocol, num_classes=5)
    labels, scores = prediction.labels()[0], prediction.scores()[0]
    assert labels.shape == size
    assert labels.dtype == np.uint8
    assert labels.flags.c_contiguous
    assert scores.shape == (5, *size)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores.sum(axis=0), 1, atol=1e-5)
    first, second = np.sort(scores, axis=0)[[-1, -2]]
    clear = first - second > 1e-5
    assert np.array_equal(labels[clear], scores.argmax(axis=0)[clear])


def test_sizes_before_the_stretch_of_one_pixel_high_images():
    protocol = InferenceConfig(resize=(2048, 512))
    views = [plan_views(size, protocol)[0] for size in ((513, 1), (1, 513), (3000, 10))]
    assert [view.resized for view in views] == [(2048, 4), (4, 2048), (2048, 7)]
    assert [view.size for view in views] == [(2048, 32), (32, 2048), (2048, 32)]


def test_the_short_side_rule_does_not_explode():
    (view,) = plan_views(
        (5, 4000), InferenceConfig(resize=(2048, 512), resize_rule="short_side", multiple=None)
    )
    assert view.size == (41, 32768)  # without a limit it were 512 x 409600


@pytest.mark.parametrize("size", [(30, 50), (63, 64), (64, 64), (24, 4)])
def test_one_window_is_the_whole_image(size):
    image, model = photo(*size), Surroundings(4)
    whole = scores_of(image, replace(OWN, mode="whole"), model, 4)
    np.testing.assert_allclose(scores_of(image, OWN, model, 4), whole, atol=1e-5)
    assert {call[2:] for call in model.calls} == {size}


def test_corners_stay_where_they_are():
    for size in ((160, 64), (64, 160)):
        image = np.zeros((*size, 3), np.uint8)
        colours = {(0, 0): (255, 0, 0), (0, -1): (0, 255, 0), (-1, 0): (0, 0, 255), (-1, -1): (255, 255, 255)}
        for (row, column), colour in colours.items():
            image[
                slice(None, 9) if row == 0 else slice(-9, None),
                slice(None, 9) if column == 0 else slice(-9, None),
            ] = colour

        def classes(windows):
            # class = red + 2 green + 4 blue: 1, 2, 4 and 7 in the corners
            codes = ((windows > 0.5) * torch.tensor([1, 2, 4])[:, None, None]).sum(1)
            return torch.nn.functional.one_hot(codes, 8).permute(0, 3, 1, 2).float()

        for protocol in (OWN, PADDED, WHOLE, replace(PUBLISHED, flip=True), SETR):
            protocol = replace(protocol, normalization=Normalization((0, 0, 0), (255, 255, 255)))
            labels = Application(classes, [image], protocol, num_classes=8).labels()[0]
            assert labels.shape == size
            assert [labels[corner] for corner in colours] == [1, 2, 4, 7]


@pytest.mark.parametrize("protocol", [OWN, PUBLISHED, SETR, WHOLE], ids=["own", "published", "setr", "whole"])
def test_a_transposed_image_gives_transposed_labels(protocol):
    image = photo(90, 150)
    labels = Application(by_colour(5), [image], protocol, num_classes=5).labels()[0]
    turned = Application(by_colour(5), [image.transpose(1, 0, 2).copy()], protocol, num_classes=5).labels()[0]
    # The 8-bit resize rounds rows and columns in turn, so a value may be off by one level.
    assert (turned == labels.T).mean() > (0.995 if protocol.resize else 0.99999)


@pytest.mark.parametrize("scale", [1.0, 1.5])
def test_flip_averages_to_mirror_symmetry(scale):
    image = photo(70, 100)
    protocol = replace(PUBLISHED, flip=True, scales=(scale,))
    scores = scores_of(image, protocol, Surroundings(5))
    mirrored = scores_of(image[:, ::-1].copy(), protocol, Surroundings(5))
    # Windows start at the left of both: only the views are exchanged. The stand-in sees whole windows.
    np.testing.assert_allclose(mirrored[:, :, ::-1], scores, atol=5e-3 if scale == 1.5 else 2e-3)
    exact = scores_of(image, replace(OWN, flip=True), Surroundings(5))
    turned = scores_of(image[:, ::-1].copy(), replace(OWN, flip=True), Surroundings(5))
    np.testing.assert_allclose(turned[:, :, ::-1], exact, atol=1e-5)


def test_equal_views_change_nothing():
    image = photo(70, 100)
    once = scores_of(image, PUBLISHED, Surroundings(5))
    np.testing.assert_allclose(
        scores_of(image, replace(PUBLISHED, scales=(1.0, 1.0)), Surroundings(5)), once, atol=1e-6
    )


def test_views_are_averaged_as_probabilities_at_the_image_s_size():
    image, model = photo(45, 70), Surroundings(3)
    protocol = replace(PUBLISHED, scales=(0.75, 1.0), flip=True)
    expected = []
    for view in prepared_views(image, protocol):
        options = {"crop": 64, "stride": 43, "flip": "horizontal" if view.view.flip else None}
        expected.append(
            scores_of_view(model, whole_view(view), (45, 70), mode="slide", **options).softmax(1)[0]
        )
    found = scores_of(image, protocol, model, 3)
    np.testing.assert_allclose(found, torch.stack(expected).mean(0).numpy(), atol=1e-6)


@pytest.mark.parametrize("order", ["before", "after"])
def test_padding_is_right_and_below_of_the_mirrored_view(order):
    image = photo(20, 30)
    protocol = replace(OWN, flip=True, pad_to_crop=order, unpad=True)
    plain, mirrored = (
        whole_view(view)[0].permute(1, 2, 0).numpy() for view in prepared_views(image, protocol)
    )
    for values, pixels in ((plain, image), (mirrored, image[:, ::-1])):
        assert values.shape == (64, 64, 3)
        np.testing.assert_array_equal(values[:20, :30], normalize(pixels, protocol.normalization))
        black = normalize(np.zeros((1, 1, 3), np.uint8), protocol.normalization)
        outside = pad(np.zeros((20, 30)), (64, 64), 1) == 1
        np.testing.assert_array_equal(
            values[outside], np.broadcast_to(black if order == "before" else 0, (64, 64, 3))[outside]
        )


def test_unpad_cuts_at_the_side_where_the_padding_was():
    image = photo(20, 30)
    plain = replace(OWN, flip=True)
    padded = replace(plain, pad_to_crop="after", unpad=True)
    np.testing.assert_allclose(scores_of(image, padded), scores_of(image, plain), atol=1e-6)


@ALL
def test_running_along_columns_changes_nothing(protocol, monkeypatch):
    image, model = photo(80, 190), Surroundings(5)
    protocol = replace(protocol, flip=True)
    expected = scores_of(image, protocol, model)
    labels = Application(model, [image], protocol, num_classes=5).labels()[0]
    monkeypatch.setattr(application_module, "TRANSPOSE_ABOVE_BYTES", 1)
    monkeypatch.setattr(application_module, "BLOCK_BYTES", 4 * 5 * 80 * 7)
    prediction = Application(model, [image], protocol, num_classes=5, held_bytes=0)
    np.testing.assert_allclose(prediction.scores()[0], expected, atol=1e-6)
    assert (prediction.labels()[0] == labels).mean() > 0.9999


@ALL
def test_neighbours_do_not_change_labels(protocol):
    images = [
        photo(96, 64),
        photo(200, 150, 1),
        photo(96, 64, 2),
        photo(64, 96, 3),
        photo(96, 64, 4),
    ]
    model = Surroundings(5)
    together = predict_labels(model, images, protocol, num_classes=5, batch_size=4)
    assert max(call[0] for call in model.calls) > 1
    for image, labels in zip(images, together, strict=True):
        alone = Application(model, [image], protocol, num_classes=5, batch_size=1).labels()[0]
        assert labels.shape == image.shape[:2]
        assert (labels == alone).mean() > 0.9999


def test_scores_and_labels_of_a_small_image_run_the_model_once():
    image = photo(100, 70)
    for protocol in (OWN, PUBLISHED, WHOLE, replace(PADDED, flip=True)):
        model = Surroundings(5)
        prediction = Application(model, [image], protocol, num_classes=5)
        labels = prediction.labels()[0]
        calls = len(model.calls)
        scores = prediction.scores()[0]
        assert len(model.calls) == calls
        again = Application(model, [image], protocol, num_classes=5, held_bytes=0)
        np.testing.assert_array_equal(again.scores()[0], scores)
        np.testing.assert_array_equal(again.labels()[0], labels)
        assert len(model.calls) == 3 * calls


def test_scores_at_stride_4_are_resized_from_the_padded_input():
    image = photo(70, 90)

    def coarse(images):
        height, width = images.shape[-2:]
        images = torch.nn.functional.pad(images, (0, -width % 32, 0, -height % 32))
        return torch.nn.functional.avg_pool2d(by_colour(5)(images), 4)

    def full(images):
        height, width = images.shape[-2:]
        return torch.nn.functional.interpolate(coarse(images), scale_factor=4, mode="bilinear")[
            ..., :height, :width
        ]

    for protocol in (replace(OWN, flip=True), replace(OWN, mode="whole", flip=True)):
        np.testing.assert_allclose(
            scores_of(image, protocol, coarse), scores_of(image, protocol, full), atol=1e-6
        )


def test_class_sums_are_normalised_in_one_view_and_softmaxed_in_several():
    sums = torch.tensor([3.0, 1.0, 0.0])[None, :, None, None]

    def model(images):
        return sums.expand(images.shape[0], 3, *images.shape[-2:])

    image = photo(20, 20)
    one = scores_of(image, OWN, model, 3, scores_are="class_sums")
    np.testing.assert_allclose(one[:, 0, 0], [0.75, 0.25, 0], atol=1e-6)
    two = scores_of(image, replace(OWN, flip=True), model, 3, scores_are="class_sums")
    np.testing.assert_allclose(two[:, 0, 0], sums.softmax(1)[0, :, 0, 0], atol=1e-6)
    nothing = single_view_probabilities(torch.zeros(1, 4, 1, 1), "class_sums")
    assert nothing.flatten().tolist() == [0.25] * 4


def test_threshold_for_two_classes():
    image = photo(40, 40)
    prediction = Application(by_colour(2), [image], OWN, num_classes=2)
    scores = prediction.scores()[0]
    for threshold in (0.1, 0.5, 0.9):
        np.testing.assert_array_equal(prediction.labels(threshold)[0], scores[1] >= threshold)
    with pytest.raises(InputError, match="two classes"):
        Application(by_colour(3), [image], OWN, num_classes=3).labels(0.5)
    with pytest.raises(InputError, match=r"1\.5"):
        prediction.labels(1.5)


def test_many_classes_get_16_bits():
    image = photo(8, 8)

    def last(images):
        scores = torch.zeros(images.shape[0], 300, *images.shape[-2:])
        scores[:, 299] = 1
        return scores

    labels = Application(last, [image], OWN, num_classes=300).labels()[0]
    assert labels.dtype == np.uint16
    assert (labels == 299).all()


def test_more_channels_and_types():
    values = np.random.default_rng(0).random((40, 50, 5)).astype(np.float32)
    protocol = replace(OWN, normalization=Normalization((0.5,) * 5, (0.25,) * 5))
    labels = Application(lambda x: x, [values], protocol, num_classes=5).labels()[0]
    np.testing.assert_array_equal(labels, values.argmax(2))
    with pytest.raises(InputError, match="5 channels"):
        Application(lambda x: x, [values], OWN, num_classes=5).labels()


def test_scores_that_are_not_finite_are_reported():
    image = photo(20, 20)
    with pytest.raises(InputError, match="not finite"):
        Application(lambda x: x * float("nan"), [image], OWN, num_classes=3).labels()


def test_a_model_with_other_classes_is_reported():
    with pytest.raises(ValueError, match=r"expected \[1, 4, h, w\]"):
        Application(lambda x: x, [photo(20, 20)], OWN, num_classes=4).labels()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stride": 65}, "gaps"),
        ({"stride": 0}, "stride is 0"),
        ({"crop": 0}, "crop is 0"),
        ({"mode": "tile"}, "'tile'"),
        ({"mode": "whole", "pad_to_crop": "after"}, "pad_to_crop"),
        ({"scales": ()}, "scales"),
        ({"scales": (1.0, -1.0)}, "scales"),
        ({"resize": (0, 5)}, "resize"),
        ({"resize": (9, 9), "scales": (0.1,)}, "less than one pixel"),
        ({"resize_rule": "fill"}, "'fill'"),
        ({"multiple": 0}, "multiple"),
    ],
)
def test_protocols_that_contradict_themselves(changes, message):
    with pytest.raises(InputError, match=message) as error:
        Application(by_colour(3), [photo(9, 9)], replace(OWN, **changes), num_classes=3)
    assert "\n" not in str(error.value)


def test_slide_agrees_with_the_protocol():
    image, model = photo(100, 120), Surroundings(5)
    normalized = torch.from_numpy(normalize(image, OWN.normalization)).permute(2, 0, 1)[None]
    expected = scores_of_view(model, normalized, mode="slide", crop=64, stride=43).softmax(1)[0]
    np.testing.assert_allclose(scores_of(image, OWN, model), expected, atol=1e-6)
