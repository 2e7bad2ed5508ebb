from __future__ import annotations

import pytest

from uv_layers.lock.hashing import strongest

SHA256, SHA384, SHA512 = "5f" * 32, "5f" * 48, "5f" * 64


@pytest.mark.parametrize(
    ("hashes", "chosen"),
    [
        ({"sha256": SHA256}, {"sha256": SHA256}),
        ({"sha256": SHA256.upper()}, {"sha256": SHA256}),
        ({"md5": "0" * 32, "sha256": SHA256}, {"sha256": SHA256}),
        ({"sha256": SHA256, "sha512": SHA512}, {"sha512": SHA512}),
        ({"sha384": SHA384, "sha256": SHA256}, {"sha384": SHA384}),
        ({"blake2b": SHA256}, {"blake2b": SHA256}),
        ({"sha1": "00"}, None),
        ({"md5": "0" * 32}, None),
        ({"sha3_256": SHA256}, None),
        ({"SHA256": SHA256}, None),
        ({"sha256": SHA256[1:]}, None),
        ({"sha256": f"{SHA256}0"}, None),
        ({"sha256": f"{SHA256}\n"}, None),
        ({"sha256": "g" * 64}, None),
        ({"sha256": "\u0660" * 64}, None),
        ({"sha256": ""}, None),
        ({"sha256": 1}, None),
        ({"sha512": "00", "sha256": SHA256}, None),
        ({"blake2b": SHA512}, None),
        ({}, None),
        (None, None),
        ("sha256", None),
    ],
)
def test_the_strongest_hash_that_uv_verifies_is_chosen(hashes, chosen):
    assert strongest(hashes) == chosen
