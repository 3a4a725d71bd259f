"""TOML, JSON and CSV: one sentence for whatever else a file holds."""

import pytest

from raofit.core.errors import FileError
from raofit.io.text_formats import in_backticks, names_a_file, read_json, read_toml, shown

DIGITS = "9" * 5000


@pytest.mark.parametrize(
    ("read", "name", "content"),
    [
        (read_toml, "a.toml", f"x = {'[' * 20_000}"),
        (read_json, "a.json", "[" * 20_000),
        (read_toml, "a.toml", f"x = {DIGITS}"),
        (read_json, "a.json", DIGITS),
        (read_toml, "a.toml", "x ="),
        (read_json, "a.json", "{"),
    ],
    ids=["deep-toml", "deep-json", "digits-toml", "digits-json", "toml", "json"],
)
def test_what_is_not_the_format(tmp_path, read, name, content):
    (tmp_path / name).write_text(content)
    with pytest.raises(FileError, match=rf"{name}: this is not valid (TOML|JSON) \([^\n]{{1,180}}\)$"):
        read(tmp_path / name)


def test_values_are_shown_on_one_short_line():
    assert shown("a\nb") == r"'a\nb'"
    assert shown([0] * 1000) == "[" + "0, " * 19 + "0,…"
    assert shown(10**5000) == "a number with thousands of digits"
    assert in_backticks(["a", "b\n"]) == r"`a`, `b\n`"
    assert in_backticks([str(number) for number in range(9)]).endswith("`7`, …")


def test_a_list_of_many_values_is_no_file(tmp_path):
    (tmp_path / "a").write_text("1")
    assert names_a_file(tmp_path / "a")
    assert not names_a_file("12.8ms," * 60)


def test_a_byte_order_mark_is_no_content(tmp_path):
    (tmp_path / "a.toml").write_text("\ufeffx = 1\r\n", encoding="utf-8")
    assert read_toml(tmp_path / "a.toml") == {"x": 1}


def test_a_folder_cannot_be_read(tmp_path):
    with pytest.raises(FileError, match="could not be read"):
        read_toml(tmp_path)
