"""Credentials in URLs: hidden from readers, and left out of every file."""

from __future__ import annotations

import re
from typing import Any

# uv's URLs: these schemes need no slash after the colon.
_SCHEME = r"(?:https?|ftp|file|wss?|socks[45]h?|(?:git|hg|bzr|svn)\+[a-z]+):[/\\]*|[a-z][a-z0-9+.-]*:[/\\]{2,}"
_URL = re.compile(rf"\s*(?:{_SCHEME})", re.IGNORECASE)

# A proxy may be named without a scheme.
_BARE_LOGIN = re.compile(r"(?<![^\s\"'`=])[^\s\"'`:/@=]+:(?![/\\])[^\s\"'`@]+@")
_SECRET = "token|secret|passw|pwd|key|auth|sig|cred|jwt|session"  # noqa: S105 - names, not values
_VALUE = re.compile(rf"([?&;#][^\s\"'`=&;#]*(?:{_SECRET})[^\s\"'`=&;#]*=)[^\s\"'`]+", re.IGNORECASE)
_PARAMETER = re.compile(rf"[^?&;#=]*(?:{_SECRET})[^?&;#=]*=[^&;#]*&?", re.IGNORECASE)

# White space or a quote ends an address: a password may have any other character in it.
_ADDRESS = re.compile(rf"({_SCHEME})([^\s\"'`]*)", re.IGNORECASE)
_USER = re.compile(r"[^/\\?#]*@")

# To the last @, except in git URLs, where `@` comes before a branch.
_LOGIN = re.compile(r"(?<![a-z0-9+.-])((?:https?|ftp|socks[45]h?):[/\\]*)[^\s\"'`]*@", re.IGNORECASE)


def is_url(place: str) -> bool:
    """Return whether uv reads an index or a source as a URL, not as a path."""
    return _URL.match(place) is not None


def masked(text: str) -> str:
    """Return text for a reader: every URL in it without its user, password and query.

    It hides too much rather than too little, e.g. the host of `https://host/package@1.0`.
    """
    text = _BARE_LOGIN.sub("****@", _ADDRESS.sub(_masked, text))
    return _VALUE.sub(r"\1****", text)


def _masked(match: re.Match[str]) -> str:
    scheme, rest = match.groups()
    if (secret := _VALUE.search(rest)) and "@" in secret[0]:
        # The @ may be part of the token, or end a password that contains a `?`.
        return f"{scheme}****"
    _, at, place = rest.rpartition("@")
    path, mark, query = place.partition("?")
    return scheme + ("****@" if at else "") + path + (f"{mark}****" if query else mark)


def removed(value: Any, *, settings: bool = False) -> Any:
    """Return a value for a file: no URL in it, however deep, has a user, a password or a secret parameter.

    The user of an SSH address stays: the address needs it, and it is not a secret. In `settings` of uv's, an index has
    no @ in its path, so a password with a `/`, `?` or `#` in it goes as well.
    """
    if isinstance(value, dict):
        return {key: removed(inner, settings=settings) for key, inner in value.items()}
    if isinstance(value, list):
        return [removed(inner, settings=settings) for inner in value]
    if not isinstance(value, str):
        return value
    text = _ADDRESS.sub(_public, value)
    return _LOGIN.sub(r"\1", text) if settings else text


def _public(match: re.Match[str]) -> str:
    scheme, rest = match.groups()
    if user := _USER.match(rest):
        rest = rest[user.end() :]
        if "ssh" in scheme.lower():
            scheme += f"{user[0].removesuffix('@').split(':')[0]}@"
    rest, _, fragment = rest.partition("#")
    path, _, query = rest.partition("?")
    parts = [scheme, path]
    if left := _PARAMETER.sub("", query).strip("&;"):
        parts.append(f"?{left}")
    if left := _PARAMETER.sub("", fragment).strip("&"):
        parts.append(f"#{left}")
    return "".join(parts)
