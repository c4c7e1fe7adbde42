"""The table of figures."""

import pytest

from vit_adapter.training.metrics_table import MetricsTable, read_table


def test_rows_are_there_as_soon_as_they_are_added(tmp_path):
    table = MetricsTable(tmp_path)
    table.add(1, {"loss": 0.5})
    table.add(2, {"loss": 0.25})
    assert (tmp_path / "metrics.csv").read_text() == "step,loss\n1,0.5\n2,0.25\n"


def test_a_later_column_leaves_earlier_rows_empty(tmp_path):
    table = MetricsTable(tmp_path)
    table.add(1, {"loss": 0.5})
    table.add(2, {"loss": 0.25, "mIoU": 0.125})
    table.add(3, {"loss": 0.5})
    table.close()
    assert (tmp_path / "metrics.csv").read_text() == "step,loss,mIoU\n1,0.5,\n2,0.25,0.125\n3,0.5,\n"
    assert table.column("mIoU") == ([2], [0.125])


def test_a_resumed_table_is_cut_back_and_goes_on(tmp_path):
    table = MetricsTable(tmp_path)
    for step in range(1, 6):
        table.add(step, {"loss": 1 / step})
    table.close()
    with open(table.path, "a") as file:
        file.write("6,0.1")  # a kill in the middle of a line
    table = MetricsTable(tmp_path, last_step=3)
    table.add(4, {"loss": 9.0})
    table.close()
    columns, rows = read_table(table.path)
    assert columns == ["step", "loss"]
    assert [row["step"] for row in rows] == ["1", "2", "3", "4"]
    assert rows[3]["loss"] == "9.0"


def test_half_a_row_at_the_checkpoint_is_no_row(tmp_path):
    (tmp_path / "metrics.csv").write_text("step,loss\n1,0.5\n2,0.12")
    assert [row["step"] for row in read_table(tmp_path / "metrics.csv")[1]] == ["1"]


def test_numbers_come_back_as_they_were(tmp_path):
    table = MetricsTable(tmp_path)
    table.add(1, {"loss": 0.1 + 0.2})
    assert table.column("loss")[1] == [0.1 + 0.2]
    assert float(read_table(table.path)[1][0]["loss"]) == 0.1 + 0.2


@pytest.mark.parametrize("last_step", [0, 5])
def test_no_table_is_a_new_table(tmp_path, last_step):
    MetricsTable(tmp_path, last_step).add(last_step + 1, {"loss": 1.0})
    assert len(read_table(tmp_path / "metrics.csv")[1]) == 1
