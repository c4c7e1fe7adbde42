"""What a running server answers, beside what the model itself says."""

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from live_server import CLASSES, Client, make_other, png, served, until

from vit_adapter.annotations import RunLengths
from vit_adapter.api.open_model import open_model
from vit_adapter.api.result_images import map_png
from vit_adapter.config import InputError
from vit_adapter.config.own_files import read_mark
from vit_adapter.data.scenes import render_scene
from vit_adapter.serving import uploads

SCENE = render_scene(3, size=(90, 130)).image


def test_json_has_the_classes_and_shares_of_predict(client, semantic):
    answer = client.ask("/predict?masks=true", png(SCENE))
    labels = semantic.predict(SCENE).labels
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    values = answer.values
    assert (values["task"], values["width"], values["height"]) == ("semantic", 130, 90)
    found = values["classes"]
    assert sum(entry["share"] for entry in found) == pytest.approx(1, abs=1e-5)
    assert [entry["pixels"] for entry in found] == sorted((entry["pixels"] for entry in found), reverse=True)
    assert {entry["label"] for entry in found} == set(np.unique(labels).tolist())
    for entry in found:
        label = entry["label"]
        assert (entry["class"], entry["id"]) == (CLASSES.names[label], CLASSES.ids[label])
        mask = RunLengths.read(entry["mask"]["counts"], tuple(entry["mask"]["size"])).mask()
        np.testing.assert_array_equal(mask, labels == label)
    assert "mask" not in client.ask("/predict", png(SCENE)).values["classes"][0]


@pytest.mark.parametrize(
    ("path", "headers"), [("/predict?format=map", {}), ("/predict", {"Accept": "image/png"})]
)
def test_a_map_has_the_values_of_own_masks(client, semantic, path, headers, tmp_path):
    answer = client.ask(path, png(SCENE), **headers)
    np.testing.assert_array_equal(answer.image, semantic.predict(SCENE).own_ids())
    (tmp_path / "map.png").write_bytes(answer.body)
    assert read_mark(tmp_path / "map.png") is not None  # predict does not take it for a photo


def test_maps_and_overlays_as_asked(client, semantic):
    result = semantic.predict(SCENE)
    contiguous = client.ask("/predict?format=map&ids=contiguous", png(SCENE)).image
    np.testing.assert_array_equal(contiguous, result.labels)
    overlay = client.ask("/predict?format=overlay&alpha=0.8&legend=false", png(SCENE)).image
    np.testing.assert_array_equal(overlay, np.asarray(result.overlay(0.8, legend=False)))
    with_legend = client.ask("/predict?format=overlay", png(SCENE)).image
    np.testing.assert_array_equal(with_legend, np.asarray(result.overlay()))


@pytest.mark.parametrize("field", ["image", "file"])
def test_forms_as_browsers_and_curl_send_them(client, field):
    line = (
        f'Content-Disposition: form-data; name="{field}"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
    )
    body = b"--xyz\r\n" + line.encode() + png(SCENE) + b"\r\n--xyz--\r\n"
    answer = client.ask("/predict", body, Content_Type="multipart/form-data; boundary=xyz")
    assert answer.values == client.ask("/predict", png(SCENE)).values


def test_what_is_served(client):
    values = client.ask("/model").values
    assert (values["task"], values["tasks"], values["channels"]) == ("semantic", ["semantic"], 3)
    assert values["classes"][2] == {
        "label": 2,
        "id": 200,
        "name": "car",
        "colour": [230, 90, 40],
        "thing": True,
    }
    assert values["limits"] == {"bytes": 4_000_000, "pixels": 4_000_000, "requests": 128}
    assert client.ask("/health").values["status"] == "ok"
    assert "curl" in client.ask("/").values["usage"]


@pytest.mark.slow
@pytest.mark.parametrize("task", ["instance", "panoptic", "detection"])
def test_objects_and_segments(task):
    model = make_other(task)
    expected = model.predict(SCENE, score_threshold=0.05, mask_threshold=0.3)
    with served(open_model(model, device="cpu")) as client:
        query = f"/predict?task={task}&score_threshold=0.05&mask_threshold=0.3"
        values = client.ask(query, png(SCENE)).values
        overlay = client.ask(f"{query}&format=overlay", png(SCENE)).image
        assert overlay.shape == np.asarray(expected.overlay()).shape
        plain = client.ask(f"{query}&masks=false", png(SCENE)).values
        picture = client.ask(f"{query}&format=map", png(SCENE))
        tasks = client.ask("/model").values["tasks"]
    assert tasks[0] == task
    if task == "panoptic":
        found, truth = values["segments"], expected.segments  # pyright: ignore
        masks = [truth.ids == index + 1 for index in range(len(truth))]
        assert [one["thing"] for one in found] == [CLASSES.is_thing[one["label"]] for one in found]  # pyright: ignore
        assert values["classes"]
    else:
        found, truth = values["objects"], expected.instances  # pyright: ignore
        masks = [] if task == "detection" else [runs.mask() for runs in truth.masks]
        np.testing.assert_allclose([one["box"] for one in found], truth.boxes, atol=0.006)
    assert len(found) == len(truth) > 0
    assert [one["label"] for one in found] == truth.classes.tolist()
    np.testing.assert_allclose([one["score"] for one in found], truth.scores, atol=1e-5)
    for one, mask in zip(found, masks, strict=bool(masks)):
        assert one["pixels"] == mask.sum()
        np.testing.assert_array_equal(
            RunLengths.read(one["mask"]["counts"], tuple(one["mask"]["size"])).mask(), mask
        )
    assert "mask" not in json.dumps(plain["segments" if task == "panoptic" else "objects"])
    if task == "detection":
        assert picture.status == 400
        assert "overlay" in picture.values["error"]
    else:
        assert picture.body == map_png(expected)


def one_line(answer) -> str:
    """The error of an answer, which says something in one line."""
    assert 400 <= answer.status < 500, (answer.status, answer.body)
    line = answer.values["error"]
    assert line
    assert "\n" not in line
    assert "Traceback" not in line
    return line


@pytest.mark.parametrize(
    "query", ["task=instance", "format=xml", "fromat=map", "alpha=2", "alpha=nan", "threshold=0.5", "masks=maybe",
              "min_area=-1", "score_threshold=x", "mask_threshold=nan", "ids=mine", "%00=1"],
)  # fmt: skip
def test_parameters_that_cannot_be_used(client, query):
    assert query.split("=")[0].replace("%00", "") in one_line(client.ask(f"/predict?{query}", png(SCENE)))


def test_broken_uploads_are_the_sender_s_fault(client):
    whole = png(SCENE)
    form = {"Content_Type": "multipart/form-data; boundary=x"}
    bodies = [b"", b"hello", b"<html></html>", bytes(1000), b"\x89PNG\r\n\x1a\n", b"II*\0" + b"\xff" * 64]
    bodies += [whole[:200], whole[:-200], whole[:40] + whole[60:]]
    bodies += [b"\xff\xd8\xff\xe0" + bytes(300), b"\x93NUMPY" + bytes(80)]
    for body in bodies:
        one_line(client.ask("/predict", body, method="POST"))
    for body in (
        whole,
        b"--x\r\n",
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\ntext\r\n--x--\r\n',
    ):
        one_line(client.ask("/predict", body, **form))
    one_line(client.ask("/predict", whole, Content_Type="multipart/form-data"))
    assert one_line(client.ask("/predict", whole, Accept="text/html"))
    assert client.ask("/predict").status == 405
    assert client.ask("/nothing").status == 404
    assert client.ask("/predict", whole).status == 200


@pytest.mark.slow
def test_odd_files_get_an_answer_or_a_line(client, data_root):
    files = sorted(path for path in (data_root / "nasty").iterdir() if path.is_file())
    assert len(files) > 30
    statuses = {}
    for file in files:
        answer = client.ask("/predict", file.read_bytes(), method="POST")
        statuses[file.name] = answer.status
        if answer.status != 200:
            one_line(answer)
    assert statuses["ok_photo.jpg"] == statuses["cmyk.jpg"] == statuses["exif_orientation_6.jpg"] == 200
    assert statuses["html_named.jpg"] == 400
    assert statuses["bomb_declares_60000x60000.png"] == statuses["bomb_real_30000x30000_1bit.png"] == 413


def test_too_large_is_said_however_it_is_sent(client):
    large = bytes(5_000_000)
    assert "4 MB" in one_line(client.ask("/predict", large))
    form = b'--x\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\n' + large + b"\r\n--x--\r\n"
    assert client.ask("/predict", form, Content_Type="multipart/form-data; boundary=x").status == 413

    def pieces():
        for _ in range(50):
            yield bytes(100_000)

    assert client.ask("/predict", pieces()).status == 413  # pyright: ignore
    wide = png(np.zeros((10, 500_000), np.uint8))
    assert "500000x10" in one_line(client.ask("/predict", wide))


def raw(client: Client, text: bytes) -> bytes:
    """What is answered to bytes that no library would send; then nothing more is sent."""
    host, port = client.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(text)
        return connection.recv(65536)


def test_an_upload_that_stalls_is_given_up(client, monkeypatch):
    monkeypatch.setattr(uploads, "STALLED_SECONDS", 0.2)
    answer = raw(client, b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf of it")
    assert answer.startswith(b"HTTP/1.1 408")


def test_a_client_that_goes_leaves_nothing_behind(client):
    host, port = client.address.removeprefix("http://").split(":")
    for _ in range(3):
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            connection.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf")
    until(lambda: client.ask("/health").values["in_flight"] == 0)
    assert client.ask("/predict", png(SCENE)).status == 200


@pytest.mark.slow
def test_a_hundred_clients_each_get_their_own_answer(client, semantic):
    images = [
        render_scene(number, size=[(64, 64), (64, 96), (80, 64)][number % 3]).image for number in range(100)
    ]
    expected = [semantic.predict(image).own_ids() for image in images]
    together = threading.Barrier(100)

    def ask(image: np.ndarray):
        together.wait(60)
        return client.ask("/predict?format=map", png(image))

    with ThreadPoolExecutor(100) as clients:
        answers = list(clients.map(ask, images))
    assert [answer.status for answer in answers] == [200] * 100
    for answer, labels in zip(answers, expected, strict=True):
        assert (answer.image == labels).mean() > 0.999  # a batch is summed in another order
    assert client.ask("/health").values["images_per_call"] > 1.5


def test_more_than_may_wait_are_told_to_come_again(semantic):
    model, go_on = open_model(semantic, device="cpu"), threading.Event()
    with served(model, waiting=2) as client, ThreadPoolExecutor(2) as clients:
        assert client.endpoint is not None
        batcher = client.endpoint._batcher
        segment = batcher._segment

        def slowly(images, wish):
            assert go_on.wait(60)
            return segment(images, wish)

        batcher._segment = slowly
        waiting = [clients.submit(client.ask, "/predict", png(SCENE)) for _ in range(2)]
        until(lambda: client.ask("/health").values["in_flight"] == 2)
        refused = client.ask("/predict", png(SCENE))
        go_on.set()
        assert [answer.result().status for answer in waiting] == [200, 200]
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")


def test_a_model_that_fails_is_said_in_a_line_without_its_inside(semantic, caplog):
    with served(open_model(semantic, device="cpu")) as client:
        assert client.endpoint is not None

        def fails(images, wish):
            raise RuntimeError("/secret/place: boom")

        client.endpoint._batcher._segment = fails
        answer = client.ask("/predict", png(SCENE))
        assert (answer.status, answer.values["error"]) == (500, "the model failed (RuntimeError)")
    assert "boom" in caplog.text  # whoever runs the server sees it


def test_where_the_model_lies_is_not_said(semantic, tmp_path):
    semantic.save_pretrained(tmp_path / "mine")
    model = open_model(tmp_path / "mine", device="cpu")
    with served(model) as client:
        assert client.endpoint is not None

        def refuses(images, wish):
            raise InputError(f"{tmp_path / 'mine'}: takes no such image")

        client.endpoint._batcher._segment = refuses
        answer = client.ask("/predict", png(SCENE))
        assert (answer.status, answer.values["error"]) == (422, "mine: takes no such image")
        assert client.ask("/model").values["name"] == "mine"
