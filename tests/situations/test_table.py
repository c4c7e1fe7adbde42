"""The page on situations is up to date and complete."""

from .make_table import PAGE, TITLES, all_titles, expected_numbers, find_tests, page


def test_every_situation_that_applies_has_a_test():
    numbers = [number for titles in TITLES.values() for number in titles]
    assert numbers == list(range(1, 82))
    every = [number for titles in all_titles().values() for number in titles]
    assert len(set(every)) == len(every)
    assert set(numbers) <= set(every)
    assert sorted({test.number for test in find_tests()}) == expected_numbers()


def test_every_test_says_what_the_tool_does():
    assert [test.name for test in find_tests() if not test.text.endswith(".")] == []


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == page(), "run python tests/situations/make_table.py"
