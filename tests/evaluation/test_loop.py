"""A model over a data set: original size, one matrix, bad images, bounded memory, and the report."""

import json
import tracemalloc
from dataclasses import dataclass, field
from io import StringIO

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from tiny import SMALL_MASK2FORMER, TINY, TINY_VIT
from vit_adapter import Segmenter, ViTAdapter
from vit_adapter.annotations import Annotation, Instances
from vit_adapter.config import ClassTable, DataConfig, EvaluationConfig, InputError
from vit_adapter.data.sample import Sample
from vit_adapter.evaluation import measure, print_table, write_report, write_worst_images
from vit_adapter.images import UnreadableImageError
from vit_adapter.tasks import SEMANTIC, SemanticResult, Task


class PaintedDataset:
    """The blue channel of each image is what the model predicts; the truth is given."""

    def __init__(self, pairs, classes=2, bad=(), config=None):
        self.pairs, self.bad = pairs, bad
        self.classes = ClassTable.numbered(classes)
        self.names = [f"folder/image {index}.png" for index in range(len(pairs))]
        self.config = config or DataConfig()

    def __len__(self):
        return len(self.pairs)

    def read(self, index):
        if index in self.bad:
            raise UnreadableImageError(f"{self.names[index]}: truncated")
        truth, prediction = self.pairs[index]
        image = np.full((*truth.shape, 3), 90, np.uint8)
        image[..., 2] = prediction
        return Sample(image, Annotation(truth), self.names[index])


@dataclass
class PaintedModel:
    """Stands for a Segmenter: predicts the blue channel and records how it was called."""

    num_classes: int = 2
    task: Task = SEMANTIC
    calls: list = field(default_factory=list)
    palette: np.ndarray | None = None

    @property
    def classes(self):
        return ClassTable.numbered(self.num_classes)

    @property
    def class_names(self):
        return self.classes.names

    def predict(self, photos, *, batch_size, threshold, precision, protocol=None):
        several = isinstance(photos, list)
        self.calls.append((len(photos) if several else None, batch_size, threshold, precision))
        results = [
            SemanticResult(
                labels=photo[..., 2].copy(), class_names=self.class_names, image=photo, palette=self.palette
            )
            for photo in (photos if several else [photos])
        ]
        return results if several else results[0]


def labels(*rows):
    return np.array(rows, np.uint8)


def run(dataset, classes=2, **settings):
    return measure(PaintedModel(classes), dataset, EvaluationConfig(**settings), progress=False)


FIRST = (labels([0] * 99 + [1]), labels([0] * 100))
SECOND = (labels([0] * 50 + [1] * 50), labels([0] * 50 + [1] * 50))


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_scores_are_those_of_one_matrix(batch):
    result = run(PaintedDataset([FIRST, SECOND]), batch_size=batch)
    np.testing.assert_allclose(result.scores.iou, [149 / 150, 50 / 51], rtol=1e-12)  # S31
    assert result.measured == 2
    assert [photo.name for photo in result.worst] == ["folder/image 0.png", "folder/image 1.png"]
    assert result.worst[0].score == pytest.approx(0.495)


def test_truth_keeps_its_size_and_its_thin_objects():
    truth = np.zeros((700, 500), np.uint8)
    truth[np.arange(100) // 10 * 60 + 5, np.arange(100) % 10 * 45 + 5] = 1
    result = run(PaintedDataset([(truth, truth)]))
    assert result.matrix.counts.sum() == 350_000  # S34
    assert result.matrix.counts[1].sum() == 100
    np.testing.assert_array_equal(result.scores.iou, [1, 1])


def test_images_of_different_sizes_share_a_batch_and_settings_reach_the_model():
    model = PaintedModel()
    pairs = [(labels([0, 1]), labels([0, 1])), (labels([1], [1], [0]), labels([1], [1], [0]))] * 2
    config = EvaluationConfig(batch_size=3, threshold=0.25, precision="bfloat16")
    measure(model, PaintedDataset(pairs), config, progress=False)
    assert model.calls == [(3, 3, 0.25, "bfloat16"), (1, 3, 0.25, "bfloat16")]


def test_worst_images_are_kept_in_order_and_without_those_that_say_nothing():
    pairs = []
    for wrong in (3, 9, 1, 7, 5):
        pairs.append((labels([0] * 10 + [1] * 10), labels([0] * 10 + [0] * wrong + [1] * (10 - wrong))))
    pairs.append((labels([255] * 20), labels([0] * 20)))
    result = run(PaintedDataset(pairs), worst=3, batch_size=2)
    assert [photo.index for photo in result.worst] == [1, 3, 4]
    assert run(PaintedDataset(pairs), worst=0).worst == []
    equal = run(PaintedDataset([FIRST] * 5), worst=2)
    assert [photo.index for photo in equal.worst] == [0, 1]


@pytest.mark.parametrize("bad", [(0,), (2,), (0, 1), (1, 2)])
def test_bad_images_are_skipped_and_named(bad):
    result = run(PaintedDataset([SECOND] * 3, bad=bad), batch_size=2)
    assert result.measured == 3 - len(bad)
    assert result.matrix.counts.sum() == 100 * result.measured
    assert [name for name, _ in result.skipped] == [f"folder/image {index}.png" for index in bad]


def test_bad_images_stop_the_run_where_asked_to():
    dataset = PaintedDataset([SECOND] * 3, bad=(1,), config=DataConfig(stop_on_bad_image=True))
    with pytest.raises(InputError, match="truncated"):
        run(dataset)


def test_nothing_to_measure_is_one_line():
    with pytest.raises(InputError, match="none of the 2 images"):
        run(PaintedDataset([SECOND] * 2, bad=(0, 1)))
    with pytest.raises(InputError, match="limit is 0"):
        run(PaintedDataset([SECOND]), limit=0)
    with pytest.raises(InputError, match="no image"):
        run(PaintedDataset([]))


def test_limit_takes_the_first_images():
    assert run(PaintedDataset([FIRST, SECOND]), limit=1).matrix.counts.sum() == 100
    assert run(PaintedDataset([FIRST, SECOND]), limit=9).matrix.counts.sum() == 200


def test_memory_does_not_grow_with_the_images():
    """S56: 200 images of 256 x 256 and 150 classes."""
    truth = np.arange(256 * 256, dtype=np.int64).reshape(256, 256) % 150
    truth = truth.astype(np.uint8)
    dataset = PaintedDataset([(truth, truth)] * 200, classes=150)

    def peak(limit):
        tracemalloc.start()
        run(dataset, classes=150, limit=limit)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(200) - peak(20) < 1_000_000


@pytest.fixture
def result_and_parts():
    truth = np.zeros((40, 60), np.uint8)
    truth[10:30, 20:40] = 1
    truth[:5] = 255
    half = truth.copy()
    half[10:30, 30:40] = 0
    half[:5] = 0
    dataset, model = PaintedDataset([(truth, half), (truth, half)], bad=()), PaintedModel()
    config = EvaluationConfig(batch_size=2, threshold=0.4)
    return measure(model, dataset, config, progress=False), model, dataset


def test_report_holds_everything(tmp_path, result_and_parts):
    result, model, dataset = result_and_parts
    stale = tmp_path / "worst" / "07_old.png"
    stale.parent.mkdir()
    stale.write_bytes(b"")
    (tmp_path / "worst" / "mine.txt").write_text("stays")
    write_report(result, model, dataset, tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == {
        "metrics.json",
        "images.csv",
        "confusion.png",
        "worst",
    }
    files = {path.name for path in (tmp_path / "worst").iterdir()}
    assert files == {"01_folder_image_0.png", "02_folder_image_1.png", "mine.txt"}
    values = json.loads((tmp_path / "metrics.json").read_text())
    assert values["images"] == 2
    assert values["recall"] == 0.5
    assert values["precision"] == 1
    assert values["confusion"] == [[2 * (35 * 60 - 400), 0], [400, 400]]
    assert values["worst"][0] == {
        "name": "folder/image 0.png",
        "mIoU": pytest.approx((1700 / 1900 + 0.5) / 2),
    }
    # drawn with the settings of the evaluation, one image at a time
    assert model.calls[-1] == (None, 2, 0.4, "float32")


def test_mistakes_are_red_and_ignored_pixels_are_not(tmp_path, result_and_parts):
    result, model, dataset = result_and_parts
    model.palette = np.array([[10, 10, 10], [20, 20, 20]], np.uint8)
    files = write_worst_images(result, model, dataset, tmp_path / "worst")
    sheet = np.asarray(Image.open(files[0])).astype(int)
    red = (sheet[..., 0] - sheet[..., 1:].max(axis=2)) > 60
    # a twelfth of the valid pixels; the cell is 480 x 320, the mistakes are a quarter of its height and a sixth of
    # its width, less the border
    assert 0.85 < red.sum() / (480 * 320 * 200 / 2400) <= 1.05


def test_table_shows_every_class_and_total(result_and_parts):
    result, _, _ = result_and_parts
    odd = result.__class__(
        **{
            **result.__dict__,
            "class_names": ("[red]odd[/red]", "crack"),
            "skipped": [("a[b].jpg", "a[b].jpg: bad")],
        }
    )
    out = StringIO()
    print_table(odd, Console(file=out, width=100))
    text = out.getvalue()
    for words in ("[red]odd[/red]", "crack", "precision", "50.00", "2 images", "mIoU", "skipped a[b].jpg"):
        assert words in text


def test_progress_goes_to_the_error_stream(capsys):
    measure(PaintedModel(), PaintedDataset([FIRST]), progress=True)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "evaluating" in captured.err


def test_a_single_class_of_objects_has_one_row_in_the_table():
    """Only label maps are counted in a second class, "(nothing there)"."""
    model = Segmenter(
        ViTAdapter(TINY_VIT, options=TINY, img_size=64),
        SMALL_MASK2FORMER,
        class_names=["cell"],
        task="instance",
    )
    mask = np.zeros((1, 64, 64), bool)
    mask[0, :20, :20] = True
    truth = Annotation(instances=Instances.from_masks(np.array([0]), mask))

    class Cells(PaintedDataset):
        def read(self, index):
            return Sample(np.full((64, 64, 3), 90, np.uint8), truth, self.names[index])

    result = measure(model, Cells([None, None], classes=1), progress=False)
    assert result.class_names == ("cell",)
    printed = Console(file=StringIO(), width=100)
    print_table(result, printed)
    rows = [line.split() for line in printed.file.getvalue().splitlines()]  # pyright: ignore
    assert [row[-1] for row in rows if row[:1] == ["cell"]] == ["2"]
