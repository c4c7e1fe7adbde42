"""Which classes are things: kept with the class table, in files and from data sets that say so."""

import pytest
from miniatures import coco_panoptic

from vit_adapter.config import ClassTable, DataConfig, InputError
from vit_adapter.data.dataset import open_dataset


def test_kept_in_files_and_left_out_where_unknown():
    table = ClassTable(("sky", "car"), (0, 1), is_thing=(False, True))
    assert ClassTable.from_dict(table.to_dict()) == table
    unknown = ClassTable(("sky", "car"), (0, 1))
    assert "is_thing" not in unknown.to_dict()
    assert ClassTable.from_dict(unknown.to_dict()).is_thing is None


def test_one_value_for_each_class():
    with pytest.raises(InputError, match="2 names but 1 values of is_thing"):
        ClassTable(("sky", "car"), (0, 1), is_thing=(True,))


def test_the_embedded_scenes_know():
    classes = open_dataset(DataConfig(layout="scenes"), "train").classes
    assert classes.is_thing is not None
    things = [name for name, thing in zip(classes.names, classes.is_thing) if thing]
    assert things == ["car", "person"]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, {"person": True, "banner": False, "rug-merged": False}),
        ({"ignored_values": [92]}, {"person": True, "rug-merged": False}),
        ({"label_map": {1: 1, 92: 0, 200: 0}, "classes": ["stuff", "person"]}, None),
    ],
)
def test_coco_panoptic_says(tmp_path, settings, expected):
    """Also where a class is ignored; classes of somebody's own are not known to be things."""
    coco_panoptic(tmp_path)
    classes = open_dataset(DataConfig(root=str(tmp_path), **settings), "train").classes
    found = None if classes.is_thing is None else dict(zip(classes.names, classes.is_thing))
    assert found == expected
