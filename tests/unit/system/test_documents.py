from __future__ import annotations

import re

import pytest

from uv_layers.system import documents


def _write(folder, text):
    path = folder / "document.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_the_text_and_what_it_says(tmp_path):
    assert documents.read_document(_write(tmp_path, "a = 1\r\nb = 'é'\n")) == ("a = 1\nb = 'é'\n", {"a": 1, "b": "é"})


@pytest.mark.parametrize("largest", [100, documents.LARGEST, documents.LARGEST_LAYER_LOCK])
def test_a_document_may_be_as_large_as_it_says(tmp_path, largest):
    path = _write(tmp_path, "#" * largest)
    assert documents.read_document(path, largest)[1] == {}
    path.write_bytes(b"#" * (largest + 1))
    with pytest.raises(ValueError, match=f"it is larger than {largest} bytes"):
        documents.read_document(path, largest)


def test_a_document_may_be_as_deep_as_what_reads_it(tmp_path):
    deepest = documents.DEEPEST - 1
    assert documents.read_document(_write(tmp_path, f"a = {'[' * deepest}{']' * deepest}\n"))
    for text in (
        f"a = {'[' * (deepest + 1)}{']' * (deepest + 1)}\n",
        f"[{'a.' * deepest}a]\n",
        f"{'a.' * deepest}a={{}}\n",
    ):
        with pytest.raises(ValueError, match="nested more than 100 levels deep"):
            documents.read_document(_write(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"a = {'[' * 9999}", "nested"),
        (f"{'a.' * 4400}a=1\n{'b.' * 4400}a=1\n", "a key with too many parts"),
        (b"a = '\xff'\n", "can't decode byte 0xff in position 5"),
        ("a = 1\na = 2\n", "line 2"),
        (f"a = {'9' * 5000}\n", "limit"),
        (f"a = [[{{ b = 0x{'f' * 5000} }}]]\n", "a number that is too large"),
        (f"a = {2**63}\n", "a number that is too large"),
        (f"a = -{2**63}\n", "a number that is too large"),
        ("a = '\0'\n", "line 1"),
    ],
    ids=[
        "depth",
        "parts of keys",
        "encoding",
        "twice",
        "digits",
        "hexadecimal",
        "number",
        "negative",
        "NUL",
    ],
)
def test_why_a_document_cannot_be_read(tmp_path, text, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        documents.read_document(_write(tmp_path, text))


def test_a_key_of_many_parts_cannot_be_read(tmp_path):
    # tomli 2.2 has no bound of its own for the parts of a key.
    with pytest.raises(ValueError, match=r"parts|nested more than 100 levels deep"):
        documents.read_document(_write(tmp_path, f"{'a.' * 2000}a=1\n"))


def test_a_document_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        documents.read_document(tmp_path / "none.toml")


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"unknown": 1},
        {"find-links": []},
        {"no-build-package": ["a"], "no-binary-package": [], "no-build-isolation-package": ["b"]},
        {"index": [{"name": "a", "url": "b"}, {"url": "c"}], "index-url": "a", "extra-index-url": ["b"]},
        {"extra-index-url": "a"},
        {"config-settings-package": {}, "extra-build-dependencies": {"a": ["b"]}, "extra-build-variables": {}},
    ],
    ids=str,
)
def test_settings_in_the_form_that_uv_has_for_them(settings):
    assert documents.misshapen(settings) is None


@pytest.mark.parametrize(
    ("key", "values", "form"),
    [
        ("find-links", ["a", [1], {}], "a list of strings"),
        ("no-build-package", ["a", [["b"]]], "a list of strings"),
        ("extra-build-variables", ["a", [], {"a": "b"}], "a table of tables"),
        (
            "extra-build-dependencies",
            [
                *("a", [], {"a": "b"}, {"a": [1]}, {"a": [{}]}, {"a": [{"requirement": "b", "match-runtime": 1}]}),
                {"a": [{"requirement": "b", "path": 1}]},
            ],
            "a table of lists of requirements",
        ),
        ("extra-build-dependencies", [{"a": [{"requirement": "b", "path": "a\0"}]}], "text without a NUL"),
        ("index", ["a", {}, ["a"], [{}], [{"url": 1}]], "a list of tables, each with a url"),
        ("index-url", [1, ["a"]], "a string"),
        ("extra-index-url", [1, [1]], "a list of strings"),
        ("find-links", [["a", "b\0"]], "text without a NUL"),
        ("index", [[{"url": "a"}, {"url": "\0"}], [{"url": "a", "name": ["\0"]}]], "text without a NUL"),
        ("index-url", ["\0"], "text without a NUL"),
        ("extra-index-url", ["\0", ["a", "\0"]], "text without a NUL"),
    ],
)
def test_settings_in_another_form(key, values, form):
    for value in values:
        assert documents.misshapen({"offline": 1, key: value}) == (key, form)
