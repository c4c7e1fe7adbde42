"""The one mapping of label ids."""

import numpy as np
import pytest
from folders import save_mask
from hypothesis import given
from hypothesis import strategies as st

from vit_adapter.config import ClassTable, DataConfig, InputError
from vit_adapter.data.class_files import ClassEntry
from vit_adapter.data.codes import load_mask
from vit_adapter.data.mapping import build_mapping
from vit_adapter.images import Mask
from vit_adapter.tasks import SemanticResult


def _mapping(config=None, entries=None, found=(), **options):
    return build_mapping(config or DataConfig(), entries, found, where="test", **options)


def _entries(*ids):
    return [ClassEntry(f"name {id_}", id_) for id_ in ids]


class TestSimultaneous:
    """S03: all ids change at once, and nothing that was passed in changes."""

    @pytest.mark.parametrize(
        ("label_map", "values", "labels"),
        [({0: 1, 1: 0}, [[0, 1]], [[1, 0]]), ({7: 0, 0: 1, 1: 2}, [[7, 0, 1]], [[0, 1, 2]])],
    )
    def test_exchange(self, label_map, values, labels):
        values = np.array(values, np.uint8)
        before, map_before = values.copy(), dict(label_map)
        mapping = _mapping(DataConfig(label_map=label_map))
        assert mapping.encode(Mask(values), "m.png").tolist() == labels
        assert (values == before).all()
        assert label_map == map_before

    def test_several_values_become_one_class(self):
        mapping = _mapping(DataConfig(label_map={3: 0, 4: 0, 9: 1, 5: 255}))
        assert mapping.encode(Mask(np.array([[4, 3, 9, 5]], np.uint8)), "m").tolist() == [[0, 0, 1, 255]]
        assert mapping.table.ids == (3, 9)

    @pytest.mark.parametrize("label_map", [{0: 0, 1: 2}, {0: -1, 1: 0}])
    def test_gaps_are_refused(self, label_map):
        with pytest.raises(InputError, match="label_map: class numbers"):
            _mapping(DataConfig(label_map=label_map))


def written_ids(labels: np.ndarray, table: ClassTable) -> np.ndarray:
    """The values that a prediction of these labels is written with."""
    image = np.zeros((*labels.shape, 3), np.uint8)
    result = SemanticResult(
        labels=labels, class_names=table.names, image=image, ids=table.ids, ignore_id=table.ignore_id
    )
    return result.own_ids()


def test_sparse_ids_of_16_bits_there_and_back(tmp_path):
    values = np.array([[0, 7, 11001], [26000, 7, 255]], np.uint16)
    mapping = _mapping(found=[0, 7, 11001, 26000, 255])
    labels = mapping.encode(load_mask(save_mask(tmp_path / "m.png", values), None), "m.png")
    assert labels.dtype == np.uint8
    assert labels.tolist() == [[0, 1, 2], [3, 1, 255]]
    ids = written_ids(labels, mapping.table)
    assert ids.dtype == np.uint16
    assert (ids == values).all()


@given(st.sets(st.integers(0, 65535), min_size=2, max_size=300), st.integers(0, 2**32 - 1))
def test_round_trip_of_any_ids(ids, seed):
    ids = ids - {255} if len(ids - {255}) > 1 else {1, 2}
    mapping = _mapping(entries=_entries(*ids))
    values = np.random.default_rng(seed).choice(sorted(ids), (5, 7))
    values = values.astype(np.uint8 if max(ids) < 256 else np.uint16)
    labels = mapping.encode(Mask(values), "m.png")
    assert labels.max() < len(ids)
    assert (written_ids(labels, mapping.table) == values).all()


@given(st.integers(2, 600))
def test_ignored_pixels_survive_the_round_trip(count):
    table = ClassTable.numbered(count)
    table = _mapping(entries=[ClassEntry(name, id_) for name, id_ in zip(table.names, table.ids)]).table
    labels = np.array([[0, count - 1, table.ignore_index]])
    ids = written_ids(labels, table)
    assert ids[0, 2] == table.ignore_id
    assert table.ignore_id not in table.ids
    assert ids[0, :2].tolist() == [0, count - 1]


def test_300_classes_while_255_means_void(tmp_path):
    """S09: 254, 255 and 256 are three classes, in labels and in written ids."""
    values = np.repeat(np.array([[254, 255, 256]], np.uint16), 4, axis=0)
    mapping = _mapping(entries=_entries(*range(300)))
    labels = mapping.encode(load_mask(save_mask(tmp_path / "m.png", values), None), "m.png")
    assert labels.dtype == np.uint16
    assert mapping.table.ignore_index == 65535
    assert np.unique(labels, return_counts=True)[1].tolist() == [4, 4, 4]
    assert (written_ids(labels, mapping.table) == values).all()
    assert written_ids(labels, mapping.table).dtype == np.uint16


def test_reduce_zero_as_recorded():
    """Behaviour 91: 0 becomes 255, k becomes k - 1, 255 stays, 254 becomes 253."""
    mapping = _mapping(entries=_entries(*range(254)), reduce_zero=True)
    values = np.array([[254, 150, 253, 0, 1, 255]], np.uint8)
    assert mapping.encode(Mask(values), "m").tolist() == [[253, 149, 252, 255, 0, 255]]
    assert mapping.table.ids[:2] == (1, 2)


class TestBinary:
    @pytest.mark.parametrize("second", [1, 255])
    def test_both_codings(self, second):
        mapping = _mapping(DataConfig(binary=True), found=[0, second])
        labels = mapping.encode(Mask(np.array([[0, second]], np.uint8)), "m.png")
        assert labels.tolist() == [[0, 1]]
        assert written_ids(labels, mapping.table).tolist() == [[0, second]]

    def test_both_codings_in_one_mask_are_refused(self):
        mapping = _mapping(DataConfig(binary=True))
        with pytest.raises(InputError, match=r"m\.png: .*both 1 \(1 pixels\) and 255 \(2 pixels\)"):
            mapping.encode(Mask(np.array([[0, 1, 255, 255]], np.uint8)), "m.png")

    def test_another_value_is_refused(self):
        mapping = _mapping(DataConfig(binary=True))
        with pytest.raises(InputError, match=r"m\.png: the mask value 128 in 2 pixels is not binary"):
            mapping.encode(Mask(np.array([[0, 128, 128, 255]], np.uint8)), "m.png")

    def test_one_name_is_refused_with_advice(self):
        with pytest.raises(InputError, match=r'--data.classes "\[background, road\]"'):
            _mapping(DataConfig(binary=True), [ClassEntry("road", 0)])

    def test_missing_data_never_becomes_the_object(self, tmp_path):
        np.save(tmp_path / "m.npy", np.array([[0, 1, -9999]], np.float32))
        mapping = _mapping(DataConfig(binary=True, no_data=-9999))
        assert mapping.encode(load_mask(tmp_path / "m.npy", -9999), "m").tolist() == [[0, 1, 255]]


class TestUnknownValues:
    def test_message_has_file_value_pixels_and_settings(self):
        mapping = _mapping(entries=_entries(0, 1, 2))
        with pytest.raises(InputError) as caught:
            mapping.encode(Mask(np.array([[0, 37, 37, 37, 9]], np.uint8)), "masks/a.png")
        message = str(caught.value)
        assert message.startswith("masks/a.png: the mask value 37 in 3 pixels (and 1 further value)")
        assert "--data.ignored_values" in message
        assert "--data.label_map" in message

    def test_255_names_both_readings(self):
        mapping = _mapping(DataConfig(ignore=9), _entries(0, 1))
        with pytest.raises(InputError, match=r"--data.binary true .* --data.ignored_values"):
            mapping.encode(Mask(np.array([[0, 255]], np.uint8)), "a.png")

    def test_ignored_values(self):
        mapping = _mapping(DataConfig(ignored_values=[37]), _entries(0, 1, 2))
        assert mapping.encode(Mask(np.array([[0, 37, 255]], np.uint8)), "m").tolist() == [[0, 255, 255]]


class TestFloatingPoint:
    """S04: missing data of GeoTIFF masks."""

    @pytest.mark.parametrize(("missing", "text"), [(-9999.0, "-9999.0"), (float("nan"), "nan")])
    def test_missing_data(self, tmp_path, missing, text):
        from PIL import Image

        Image.fromarray(np.array([[0, 1, 2, missing]], np.float32)).save(tmp_path / "m.tif")
        with pytest.raises(InputError, match=rf"m\.tif.*{text}.*no_data"):
            load_mask(tmp_path / "m.tif", None)
        mapping = _mapping(DataConfig(no_data=missing), _entries(0, 1, 2))
        labels = mapping.encode(load_mask(tmp_path / "m.tif", missing), "m.tif")
        assert labels.tolist() == [[0, 1, 2, 255]]

    def test_fractions_are_refused(self, tmp_path):
        np.save(tmp_path / "m.npy", np.array([[0, 0.5]], np.float32))
        with pytest.raises(InputError, match=r"m\.npy.*0\.5"):
            load_mask(tmp_path / "m.npy", None)


ROAD, SKY, CAR = (128, 64, 128), (70, 130, 180), (0, 0, 142)
COLOURED = [ClassEntry("road", 0, ROAD), ClassEntry("sky", 1, SKY), ClassEntry("car", 2, CAR)]


class TestColours:
    @pytest.fixture
    def images(self):
        labels = np.array([[0, 0, 1, 2], [0, 1, 1, 2]])
        return labels, np.array([ROAD, SKY, CAR], np.uint8)[labels]

    def test_rgb(self, tmp_path, images):
        labels, colours = images
        file = save_mask(tmp_path / "m.png", colours)
        assert (_mapping(entries=COLOURED).encode(load_mask(file, None), "m") == labels).all()

    @pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
    def test_palettes_of_any_order(self, tmp_path, images, order):
        """S01: with a colour table the order of the palette does not matter."""
        labels, _ = images
        palette = [(ROAD, SKY, CAR)[index] for index in order]
        file = save_mask(tmp_path / "m.png", np.argsort(order)[labels], palette)
        assert (_mapping(entries=COLOURED).encode(load_mask(file, None), "m") == labels).all()

    def test_grey_masks_are_read_by_value(self):
        assert _mapping(entries=COLOURED).encode(Mask(np.array([[2, 0]], np.uint8)), "m").tolist() == [[2, 0]]

    def test_grey_palette_counts_as_none(self, tmp_path):
        file = save_mask(tmp_path / "m.png", [[0, 2, 1]], [(i, i, i) for i in range(256)])
        assert _mapping(entries=COLOURED).encode(load_mask(file, None), "m").tolist() == [[0, 2, 1]]

    def test_one_off_is_refused(self, tmp_path):
        """S11: colour, file and number of pixels."""
        entries = [ClassEntry("background", 0, (0, 0, 0)), ClassEntry("car", 1, (250, 50, 83))]
        colours = np.zeros((4, 4, 3), np.uint8)
        colours[:2] = (250, 50, 83)
        colours[0, :3] = (250, 50, 84)
        file = save_mask(tmp_path / "m.png", colours)
        with pytest.raises(InputError, match=r"m\.png: the mask colour \(250, 50, 84\) in 3 pixels"):
            _mapping(entries=entries).encode(load_mask(file, None), str(file))

    def test_image_of_one_grey_colour_is_read_by_colour(self, tmp_path):
        """A CVAT mask without objects is black all over: its channels are equal, yet they are a colour."""
        entries = [ClassEntry("car", 0, (250, 50, 83)), ClassEntry("background", 1, (0, 0, 0))]
        file = save_mask(tmp_path / "m.png", np.zeros((2, 2, 3), np.uint8))
        assert (_mapping(entries=entries).encode(load_mask(file, None), "m") == 1).all()

    def test_void_rim_of_a_palette(self, tmp_path):
        palette = [ROAD, SKY, CAR] + [(0, 0, 0)] * 252 + [(224, 224, 192)]
        file = save_mask(tmp_path / "m.png", [[0, 1, 255]], palette)
        assert _mapping(entries=COLOURED).encode(load_mask(file, None), "m").tolist() == [[0, 1, 255]]

    def test_colour_of_an_ignored_row(self, tmp_path):
        entries = [*COLOURED, ClassEntry("void", 255, (1, 1, 2))]
        file = save_mask(tmp_path / "m.png", np.array([[ROAD, (1, 1, 2)]], np.uint8))
        assert _mapping(entries=entries).encode(load_mask(file, None), "m").tolist() == [[0, 255]]

    def test_shared_colours_cannot_be_read(self, tmp_path):
        entries = [*COLOURED, ClassEntry("truck", 3, CAR)]
        file = save_mask(tmp_path / "m.png", np.array([[ROAD, CAR]], np.uint8))
        with pytest.raises(InputError, match="several classes"):
            _mapping(entries=entries).encode(load_mask(file, None), "m")


class TestNastyMasks:
    """The masks of the collection of odd files, three classes."""

    @pytest.fixture
    def read(self, data_root):
        def read(name, entries=None, **options):
            file = data_root / "nasty" / name
            mapping = _mapping(DataConfig(**options), entries or _entries(0, 1, 2))
            return mapping.encode(load_mask(file, options.get("no_data")), str(file))

        return read

    @pytest.mark.parametrize(
        "name", ["mask_rgb_equal_channels.png", "mask_palette.png", "mask_grey_alpha.png"]
    )
    def test_equal_to_the_control(self, read, name):
        labels = read(name, ignored_values=[3])  # the palette image has its void as index 3
        assert (labels == read("mask_ok.png")).all()

    @pytest.mark.parametrize(
        "name", ["mask_rgb_colours.png", "mask_palette.png", "mask_palette_shuffled.png"]
    )
    def test_by_colour_table(self, read, name):
        colours = [(128, 128, 128), (128, 0, 0), (128, 64, 128)]
        entries = [ClassEntry(f"name {i}", i, colour) for i, colour in enumerate(colours)]
        entries.append(ClassEntry("void", 255, (0, 0, 0)))
        assert (read(name, entries) == read("mask_ok.png")).all()

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("mask_value_37_outside.png", "the mask value 37 "),
            ("mask_rgb_colours.png", "give a colour table"),
            ("mask_palette_shuffled.png", "the mask value 3 "),
            ("mask_16bit_instance_ids.png", r"the mask value (7|11001|26000) "),
            ("mask_lossy.jpg", "JPEG"),
        ],
    )
    def test_refused(self, read, name, message):
        with pytest.raises(InputError, match=message) as caught:
            read(name)
        assert name in str(caught.value)
