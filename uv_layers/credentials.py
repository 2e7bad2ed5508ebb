"""Credentials in URLs: hidden from readers, and left out of every file."""

from __future__ import annotations

import re
from typing import Any

# What uv takes for a URL: with these schemes it needs no slash after the colon.
_SCHEME = r"(?:https?|ftp|file|wss?|socks[45]h?|(?:git|hg|bzr|svn)\+[a-z]+):[/\\]*|[a-z][a-z0-9+.-]*:[/\\]{2,}"
_URL = re.compile(rf"\s*(?:{_SCHEME})", re.IGNORECASE)
# To the last @ before white space or a quote: a password may have any other character in it.
_LOGIN = re.compile(rf"({_SCHEME})[^\s\"'`]*@", re.IGNORECASE)
# A proxy may be named without a scheme.
_BARE_LOGIN = re.compile(r"(?<![^\s\"'`=])[^\s\"'`:/@=]+:(?![/\\])[^\s\"'`@]+@")
_QUERY = re.compile(rf"((?:{_SCHEME})[^\s\"'`?]*\?)[^\s\"'`]+", re.IGNORECASE)
_SECRET = "token|secret|passw|pwd|key|auth|sig|cred|jwt|session"  # noqa: S105 - names, not values
_FRAGMENT = re.compile(rf"([?&;#][^\s\"'`=&;#]*(?:{_SECRET})[^\s\"'`=&;#]*=)[^\s\"'`&;#]+", re.IGNORECASE)
_ADDRESS = re.compile(rf"({_SCHEME})([^/\\?#\s\"'`]*@)?([^\s\"'`]*)", re.IGNORECASE)
_PARAMETER = re.compile(rf"[^?&;#=]*(?:{_SECRET})[^?&;#=]*=[^&;#]*&?", re.IGNORECASE)


def is_url(place: str) -> bool:
    """Tell whether uv takes `place`, an index or a source of files, for a URL and not for a path."""
    return _URL.match(place) is not None


def masked(text: str) -> str:
    """Return text for a reader: every URL in it without its user, password and query.

    It hides too much rather than too little, e.g. the host of `https://host/package@1.0`.
    """
    text = _LOGIN.sub(r"\1****@", text)
    text = _BARE_LOGIN.sub("****@", text)
    text = _QUERY.sub(r"\1****", text)
    return _FRAGMENT.sub(r"\1****", text)


def removed(value: Any) -> Any:
    """Return a value for a file: no URL in it, however deep, has a user, a password or a secret parameter.

    The user of an SSH address stays: the address needs it, and it is not a secret.
    """
    if isinstance(value, dict):
        return {key: removed(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [removed(inner) for inner in value]
    return _ADDRESS.sub(_public, value) if isinstance(value, str) else value


def removed_from_index(url: str) -> str:
    """Return the URL of an index for a file.

    An index has no @ in its path, so a password with a `/`, `?` or `#` in it goes as well.
    """
    return str(removed(_LOGIN.sub(r"\1", url)))


def _public(match: re.Match[str]) -> str:
    scheme, user, rest = match.groups()
    if user and "ssh" in scheme.lower():
        scheme += f"{user.removesuffix('@').split(':')[0]}@"
    path, mark, parameters = rest.partition("?")
    if mark:
        query, hash_mark, fragment = parameters.partition("#")
        query = _PARAMETER.sub("", query).strip("&;")
        path += (f"?{query}" if query else "") + hash_mark + fragment
    path, _, fragment = path.partition("#")
    return scheme + path + (f"#{left}" if (left := _PARAMETER.sub("", fragment).strip("&")) else "")
