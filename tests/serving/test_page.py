"""The page in a real browser: an image is dropped, its overlay and legend are there, hovering names what is below."""

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from live_server import CLASSES, make_other
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from vit_adapter import Segmenter
from vit_adapter.api.marked_image import marked_image
from vit_adapter.api.open_model import open_model
from vit_adapter.data.scenes import render_scene
from vit_adapter.serving.listening import address_of, make_server, open_port, run_server
from vit_adapter.serving.page import make_page

SCENE = render_scene(3, size=(90, 130)).image
BROWSERS, DRIVERS = ("chromium", "chromium-browser", "google-chrome"), ("chromedriver",)
WORDS = "return [...document.querySelectorAll('#result .legend-item')].map(one => one.textContent.trim())"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser without a window, which notes what it asks for."""
    program, driver = (next(filter(None, map(shutil.which, names)), None) for names in (BROWSERS, DRIVERS))
    if program is None or driver is None:
        pytest.skip("no Chromium with chromedriver here (Debian: apt-get install chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,900"):
        options.add_argument(flag)
    options.add_argument("--no-proxy-server")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    started = webdriver.Chrome(service=Service(driver), options=options)
    yield started
    started.quit()


class Page:
    """What a person sees and does."""

    def __init__(self, browser: Any) -> None:
        self.browser, self.wait = browser, WebDriverWait(browser, 60, 0.1)

    def all(self, selector: str) -> list[Any]:
        """Elements that match."""
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def drop(self, file: Path) -> None:
        """Gives the page an image file."""
        (upload,) = self.wait.until(lambda _: self.all("#upload input[type=file]"))
        upload.send_keys(str(file))

    def legend(self) -> list[str]:
        """The words of the legend, once there is one and the whole image with all its regions is loaded."""
        self.wait.until(lambda _: self.browser.execute_script(WORDS))
        loaded = "return [...document.querySelectorAll('#result img')].every(one => one.complete && one.naturalWidth)"
        self.wait.until(lambda _: self.browser.execute_script(loaded))
        return self.browser.execute_script(WORDS)

    def hover(self, x: float, y: float) -> str | None:
        """What is said of a place of the image, given as shares of its width and height; None: nothing."""
        (image,) = self.all("#result img.base-image")
        size = image.size
        offset = round((x - 0.5) * size["width"]), round((y - 0.5) * size["height"])
        ActionChains(self.browser).move_to_element_with_offset(image, *offset).perform()
        (label,) = self.all("#hovered-region")
        return label.text if label.is_displayed() else None

    def regions(self, kind: str) -> int:
        """Number of regions that are "active" or "inactive"."""
        return len(self.all(f"#result img.mask.{kind}"))


@contextmanager
def opened_page(model: Segmenter, browser: Any) -> Iterator[Page]:
    """The page of a model, opened in the browser."""
    opened = open_port("127.0.0.1", 0)
    address = address_of(opened)
    server = make_server(make_page(open_model(model, device="cpu"), 1_000_000), grace=1)
    thread = threading.Thread(target=run_server, args=(server, opened))
    thread.start()
    try:
        browser.get(address)
        yield Page(browser)
    finally:
        browser.get("about:blank")  # an open page holds a connection
        server.should_exit = True
        thread.join(30)
    assert not thread.is_alive()


@pytest.fixture(scope="module")
def photo(tmp_path_factory) -> Path:
    """The scene as a file."""
    file = tmp_path_factory.mktemp("photos") / "scene.png"
    Image.fromarray(SCENE).save(file)
    return file


def middle_of(mask: np.ndarray) -> tuple[float, float]:
    """The pixel of a region that lies farthest inside it, as shares of width and height."""
    inside, depth = np.pad(mask, 1), 0
    while True:
        parts = (inside[1:-1, 1:-1], inside[:-2, 1:-1], inside[2:, 1:-1], inside[1:-1, :-2], inside[1:-1, 2:])
        smaller = np.pad(np.logical_and.reduce(parts), 1)
        if not smaller.any():
            break
        inside, depth = smaller, depth + 1
    row, column = np.argwhere(inside[1:-1, 1:-1])[0]
    assert depth >= 1
    return (column + 0.5) / mask.shape[1], (row + 0.5) / mask.shape[0]


@pytest.mark.slow
def test_upload_overlay_legend_and_hover(browser, semantic, photo):
    result = semantic.predict(SCENE)
    labels, counts = np.unique(result.labels, return_counts=True)
    shares = {
        CLASSES.names[label]: f"{100 * count / SCENE[..., 0].size:.1f} %"
        for label, count in zip(labels, counts)
    }
    with opened_page(semantic, browser) as page:
        assert not page.all("#task label:not(.hidden)") or not page.all("#task")[0].is_displayed()
        page.drop(photo)
        words = page.legend()
        assert [word.split(" · ")[1] for word in words] == [shares[word.split(" · ")[0]] for word in words]
        assert {word.split(" · ")[0] for word in words} == set(shares)
        masks = page.all("#result img.mask")
        assert len(masks) == len(words)
        assert all(mask.is_displayed() and mask.size["width"] > 300 for mask in masks)
        assert page.all("#summary")[0].text == "130 × 90 pixels"
        for label in labels.tolist():
            if (result.labels == label).mean() > 0.2:
                said = page.hover(*middle_of(result.labels == label))
                assert said == f"{CLASSES.names[label]} · {shares[CLASSES.names[label]]}"
                assert (page.regions("active"), page.regions("inactive")) == (1, len(masks) - 1)
        ActionChains(browser).move_by_offset(0, 0).move_to_element(page.all("#summary")[0]).perform()
        assert page.regions("inactive") == 0
        ActionChains(browser).move_to_element(page.all("#result .legend-item")[0]).perform()
        assert page.regions("active") == 1


@pytest.mark.slow
def test_nothing_is_asked_of_anyone_else(browser, semantic, photo):
    browser.get_log("performance")  # what was before
    with opened_page(semantic, browser) as page:
        page.drop(photo)
        page.legend()
        messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]
    assert len(asked) > 10
    assert [url for url in asked if not url.startswith(("http://127.0.0.1:", "data:", "blob:"))] == []


@pytest.mark.slow
def test_a_file_that_is_no_image_is_said(browser, semantic, photo, tmp_path):
    (tmp_path / "broken.png").write_bytes(photo.read_bytes()[:300])
    with opened_page(semantic, browser) as page:
        page.drop(tmp_path / "broken.png")
        toast = page.wait.until(lambda _: page.all("[data-testid=toast-body]"))
        page.wait.until(lambda _: "broken.png" in toast[0].text)
        assert not page.all("#result .legend-item")


@pytest.mark.slow
@pytest.mark.parametrize("task", ["instance", "detection"])
def test_objects_and_their_smallest_score(browser, task, photo):
    model = make_other(task)
    threshold = model.protocol.objects.score_threshold
    with opened_page(model, browser) as page:
        page.wait.until(lambda _: page.all("#score input[type=number]"))
        tasks = [word.text for word in page.all("#task label")]
        assert tasks == ([] if task == "detection" else ["instance", "semantic", "panoptic"])
        page.drop(photo)
        page.wait.until(lambda _: page.all("#summary")[0].text)
        assert "130 × 90 pixels" in page.all("#summary")[0].text
        (number,) = page.all("#score input[type=number]")
        assert float(number.get_attribute("value")) == threshold
        script = (
            "const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set;"
            "set.call(arguments[0], '0.02');"
            "for (const name of ['input', 'change', 'pointerup', 'blur'])"
            " arguments[0].dispatchEvent(new Event(name, {bubbles: true}));"
        )
        browser.execute_script(script, number)
        expected = marked_image(model.predict(SCENE, score_threshold=0.02))
        assert expected.found > 1
        page.wait.until(lambda _: page.browser.execute_script(WORDS) == expected.names)
        assert len(set(expected.names)) == len(expected.names)
        if task == "instance":  # and what else the model can be asked
            for other in ("semantic", "panoptic"):
                next(word for word in page.all("#task label") if word.text == other).click()
                wanted = marked_image(model.predict(SCENE, task=other, score_threshold=0.02)).names
                page.wait.until(lambda _, wanted=wanted: page.browser.execute_script(WORDS) == wanted)
