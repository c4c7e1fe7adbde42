"""Downloads from a server on this machine: resumed, cut, changed, missing, and what is said about it."""

import hashlib
import json
import threading

import pytest

from vit_adapter.config import InputError
from vit_adapter.zoo import get_recipe
from vit_adapter.zoo.download import cache_folder, download, published_checkpoint

from .local_server import CONTENT, Server


def fails(server, folder, name="model.pth", **options) -> str:
    with pytest.raises(InputError) as error:
        download(server.url(name), folder, quiet=True, **options)
    text = str(error.value)
    assert "\n" not in text
    return text


def names(folder) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.endswith(".lock")}


def test_fetched_once_and_recorded(server, tmp_path):
    path = download(server.url(), tmp_path / "new", quiet=True)
    assert path == tmp_path / "new" / "model.pth"
    assert path.read_bytes() == CONTENT
    assert names(tmp_path / "new") == {"model.pth", "model.pth.json"}
    record = json.loads((tmp_path / "new" / "model.pth.json").read_text())
    assert record == {
        "url": server.url(),
        "size": len(CONTENT),
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
    }
    assert download(server.url(), tmp_path / "new", quiet=True) == path
    assert len(server.ranges) == 1


def test_progress_is_shown(server, tmp_path, capsys):
    download(server.url(), tmp_path)
    assert "model.pth" in capsys.readouterr().err


def test_a_cut_answer_is_continued(server, tmp_path):
    server.cuts = [300_000, 200_000]
    assert download(server.url(), tmp_path, quiet=True).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=300000-", "bytes=500000-"]


def test_an_interrupted_download_is_continued_by_the_next_command(server, tmp_path):
    server.cuts = [300_000, 0, 0, 0, 0]
    text = fails(server, tmp_path)
    assert "cut off after 300,000 of 1,024,000 bytes" in text
    assert "300,000 bytes are kept" in text
    assert str(tmp_path / "model.pth") in text
    assert not (tmp_path / "model.pth").exists()
    server.cuts, server.ranges = [], []
    assert download(server.url(), tmp_path, quiet=True).read_bytes() == CONTENT
    assert server.ranges == ["bytes=300000-"]
    assert names(tmp_path) == {"model.pth", "model.pth.json"}


def test_a_file_that_changed_meanwhile_is_fetched_anew(server, tmp_path):
    server.cuts = [300_000, 0, 0, 0, 0]
    fails(server, tmp_path)
    server.cuts, server.content, server.tag = [], CONTENT[::-1], '"2"'
    assert download(server.url(), tmp_path, quiet=True).read_bytes() == CONTENT[::-1]


def test_without_a_tag_nothing_is_continued(server, tmp_path):
    server.tag, server.cuts = None, [300_000]
    assert download(server.url(), tmp_path, quiet=True).read_bytes() == CONTENT
    assert server.ranges == [None, None]


def test_a_part_longer_than_the_file_is_begun_anew(server, tmp_path):
    (tmp_path / "model.pth.partial").write_bytes(CONTENT + b"more")
    (tmp_path / "model.pth.partial.json").write_text(json.dumps({"validator": '"1"'}))
    assert download(server.url(), tmp_path, quiet=True).read_bytes() == CONTENT


def test_known_checksum(server, tmp_path):
    right = hashlib.sha256(CONTENT).hexdigest()
    text = fails(server, tmp_path, sha256="0" * 64)
    assert right in text
    assert "0" * 64 in text
    assert names(tmp_path) == set()
    assert download(server.url(), tmp_path, sha256=right.upper(), quiet=True).read_bytes() == CONTENT


def test_first_checksum_is_trusted_and_kept(server, tmp_path):
    download(server.url(), tmp_path, quiet=True).unlink()
    server.content = CONTENT[:-1] + b"!"
    text = fails(server, tmp_path)
    assert "recorded when it was first fetched" in text
    assert not (tmp_path / "model.pth").exists()
    server.content = CONTENT
    assert download(server.url(), tmp_path, quiet=True).read_bytes() == CONTENT


def test_a_file_that_someone_put_there(server, tmp_path):
    (tmp_path / "model.pth").write_bytes(b"mine")
    assert download(server.url(), tmp_path, quiet=True).read_bytes() == b"mine"
    assert server.ranges == []
    assert "expected 00" in fails(server, tmp_path, sha256="0" * 64)


def test_a_file_that_was_cut_on_the_disk_is_noticed(server, tmp_path):
    path = download(server.url(), tmp_path, quiet=True)
    path.write_bytes(CONTENT[:1000])
    assert "if it is damaged" in fails(server, tmp_path)


@pytest.mark.parametrize(
    ("status", "said"),
    [(404, "there is no such file (404)"), (403, "access is refused (403)"), (503, "answers 503")],
)
def test_answers_that_are_no_file(server, tmp_path, status, said):
    server.status = status
    text = fails(server, tmp_path)
    assert said in text
    assert f"put it at {tmp_path / 'model.pth'}" in text
    assert names(tmp_path) == set()


def test_a_web_page_instead_of_the_file(server, tmp_path):
    server.kind = "text/html; charset=utf-8"
    assert "web page" in fails(server, tmp_path)
    assert names(tmp_path) == set()


def test_without_a_network(tmp_path):
    closed = Server()
    url = closed.url()
    closed.server_close()
    with pytest.raises(InputError, match=r"cannot be reached .*put it at"):
        download(url, tmp_path, quiet=True)
    with pytest.raises(InputError, match="cannot be reached"):
        download("http://name.invalid/model.pth", tmp_path, quiet=True)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://a/b.pth",
        "http://a/",
        "https://a/x/..",
        "model.pth",
        "https://a/%2e%2e%2fb",
    ],
)
def test_addresses_that_are_refused(tmp_path, url):
    with pytest.raises(InputError, match="not an http or https address"):
        download(url, tmp_path, quiet=True)


def test_a_folder_that_cannot_be_made(server, tmp_path):
    (tmp_path / "file").write_text("")
    assert "cannot be written" in fails(server, tmp_path / "file")


def test_two_at_once_fetch_once(server, tmp_path):
    threads = [
        threading.Thread(target=download, args=(server.url(), tmp_path), kwargs={"quiet": True})
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "model.pth").read_bytes() == CONTENT
    assert len(server.ranges) == 1


def test_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("VIT_ADAPTER_CACHE", str(tmp_path / "cache"))
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("VIT_ADAPTER_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "vit-adapter"


def test_published_checkpoints(monkeypatch, tmp_path):
    monkeypatch.setenv("VIT_ADAPTER_CACHE", str(tmp_path))
    name = "upernet_deit_adapter_small_512_160k_ade20k"
    (tmp_path / f"{name}.pth").write_bytes(b"weights")
    assert published_checkpoint(get_recipe(name), quiet=True) == tmp_path / f"{name}.pth"
    with pytest.raises(InputError, match="no checkpoint was published"):
        published_checkpoint(get_recipe("upernet_beit_large_512_160k_ade20k"))
