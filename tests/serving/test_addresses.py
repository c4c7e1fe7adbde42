"""Addresses and parameters that are almost right."""

from live_server import png

from vit_adapter.data.scenes import render_scene

SCENE = render_scene(3, size=(90, 130)).image


def test_a_parameter_given_twice_is_refused(client):
    answer = client.ask("/predict?format=json&format=map", png(SCENE))
    assert answer.status == 400
    assert answer.values["error"] == "format: is given twice"


def test_an_address_with_a_slash_too_many_says_the_right_one(client):
    answer = client.ask("/predict/", png(SCENE))
    assert answer.status == 404
    assert "/predict/: no such address; POST an image file to /predict" in answer.values["error"]
