from __future__ import annotations

from itertools import product

import pytest

from uv_layers.credentials import is_url, masked, removed
from uv_layers.errors import LayersError, UvFailedError

PASSWORDS = [
    "s3cret",
    "s3/cret",
    "s3#cret",
    "s3?cret",
    "s3@cret",
    "s3:cret",
    "s3%2Fcret",
    "s3&cret=1",
    "s3\\cret",
    "s3$cret",
]
SCHEMES = ["https://", "http:/", "http:", "HTTPS://", "https:\\\\", "git+https://", "ssh://", "socks5h://", "s3://"]


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_password_is_shown_whatever_characters_it_has(password, scheme):
    frames = ("{}", "at `{}`: no", '"{}"', "INDEX={} x", "a ({}) b", "\n{}\n")
    for user, frame in product(("user:", ""), frames):
        text = masked(frame.format(f"{scheme}{user}{password}@host.example/simple"))
        assert "s3" not in text.replace("s3://", "")
        assert "cret" not in text
        assert "host.example/simple" in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://user:secret@index.example/simple", "https://****@index.example/simple"),
        ("a https://u:p@a.example b http://u:p@b.example", "a https://****@a.example b http://****@b.example"),
        ("git+ssh://git@git.example/a.git@main", "git+ssh://****@main"),
        ("http://index.example/simple?token=a@b", "http://****"),
        ("http://u:p@index.example/simple?a=b", "http://****@index.example/simple?****"),
        ("http://u:p@index.example/simple?", "http://****@index.example/simple?"),
        ("https://index.example/simple?token=a&b=c", "https://index.example/simple?****"),
        ("https://index.example/a.whl#access_token=abc&x=1", "https://index.example/a.whl#access_token=****"),
        ("/simple?password=abc", "/simple?password=****"),
        ("proxy user:p/w@proxy.example:3128 does not exist", "proxy ****@proxy.example:3128 does not exist"),
        ("mail me@example", "mail me@example"),
        ("cpython@3.12 and web==1.0 @ https://host.example/web.whl", None),
        ("sha256:00 in https://host.example/web.whl#sha256=00", None),
        ("", None),
    ],
)
def test_a_reader_sees_no_user_no_password_and_no_query(text, shown):
    assert masked(text) == (text if shown is None else shown)


def test_an_error_shows_no_password_in_its_message_nor_in_what_uv_said():
    assert str(LayersError("no https://u:s3/cret@host")) == "no https://****@host"
    error = UvFailedError("uv https://u:s3/cret@host", 2, "a\nb https://u:s3#cret@host")
    assert "cret" not in str(error) + error.detail


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (
            "https://host.example/a.whl?branch=a&token=b&c=d#sha256=0",
            "https://host.example/a.whl?branch=a&c=d#sha256=0",
        ),
        ("https://host.example/a.whl?X-Amz-Signature=b", "https://host.example/a.whl"),
        ("https://host.example/a.whl?sig=b#subdirectory=x", "https://host.example/a.whl#subdirectory=x"),
        ("https://host.example/a.whl#auth=b", "https://host.example/a.whl"),
        ("https://user:secret@host.example/a.whl", "https://host.example/a.whl"),
        ("https://host.example/@scope/a@1.0.whl", "https://host.example/@scope/a@1.0.whl"),
        ("helper @ http:/user:secret@host.example/a.whl ; x", "helper @ http:/host.example/a.whl ; x"),
        ("ssh://git:secret@host.example/a", "ssh://git@host.example/a"),
        ({"a": ["https://u:p@host", 1]}, {"a": ["https://host", 1]}),
    ],
)
def test_a_file_gets_no_credentials_and_all_else(value, kept):
    assert removed(value) == kept


@pytest.mark.parametrize("password", PASSWORDS)
def test_the_address_of_an_index_in_a_file_has_no_password_whatever_characters_it_has(password):
    assert removed(f"https://user:{password}@host.example/simple", settings=True) == "https://host.example/simple"


@pytest.mark.parametrize(
    ("place", "is_one"),
    [
        ("https://host", True),
        ("http:/user:pw@host", True),
        ("http:host", True),
        ("file:wheels", True),
        (" HTTPS://host", True),
        ("s3://bucket", True),
        ("wheels", False),
        ("../a:b", False),
        ("/a//b", False),
        ("https", False),
    ],
)
def test_what_uv_takes_for_a_url_is_no_path(place, is_one):
    assert is_url(place) is is_one


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("http://index.example/simple?token=a@b", "http://index.example/simple"),
        ({"a": ["x @ https://u:12/p@host.example/x.whl", 1]}, {"a": ["x @ https://host.example/x.whl", 1]}),
        ("x @ git+https://git.example/a.git@main", None),
        ("file:///wheels/a@b", None),
    ],
)
def test_a_setting_in_a_file_has_no_credentials_and_keeps_branches(value, kept):
    assert removed(value, settings=True) == (value if kept is None else kept)
