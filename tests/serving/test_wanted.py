"""Which answer an Accept header prefers."""

import pytest

from vit_adapter.serving.problems import Refusal
from vit_adapter.serving.wanted import accepted_form


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (None, "json"),
        ("*/*", "json"),
        ("application/json", "json"),
        ("image/png", "map"),
        ("image/*", "map"),
        ("image/png, application/json", "map"),
        ("image/png;q=0.5, application/json", "json"),
        ("text/html, application/xhtml+xml, */*;q=0.8", "json"),
        ("image/avif, image/png;q=0.9, */*;q=0.1", "map"),
    ],
)
def test_preferred_forms(accept, form):
    assert accepted_form(accept) == form


@pytest.mark.parametrize("accept", ["text/html", "image/jpeg", "image/png;q=0", ""])
def test_nothing_that_could_be_given(accept):
    if accept == "":
        assert accepted_form(accept) == "json"
        return
    with pytest.raises(Refusal, match="application/json"):
        accepted_form(accept)
