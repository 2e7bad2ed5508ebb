"""What tests of several modules say in the same words."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import stat
import subprocess
import sys
import tarfile
import threading
import zipfile
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

# The modes of an archive's files.
FILE, PROGRAM, LINK = 0o100644, 0o100755, 0o120777
_TIME = (1985, 10, 26, 1, 22, 0)  # of every file of a wheel: any but what trees have in the end


def facts(root: Path) -> dict[str, tuple[str, int, bytes]]:
    """Return all that an image layer has of a tree: type, mode, time and content or target, by path."""
    found = {}
    for path in (root, *sorted(root.rglob("*"))):
        status = path.lstat()
        content = b""
        if path.is_symlink():
            content = os.fsencode(path.readlink())
        elif path.is_file():
            content = path.read_bytes()
        found[str(path.relative_to(root))] = (stat.filemode(status.st_mode), status.st_mtime_ns, content)
    return found


def said(*words: os.PathLike[str] | str, **environ: str) -> str:
    """Return what a program prints that ends well."""
    done = subprocess.run(words, env=os.environ | environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def commit(git, folder: os.PathLike[str]) -> None:
    """Commit all that is in a folder."""
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "a message")


class Server(ThreadingHTTPServer):
    """A server on loopback whose clients may go away, as a program does that is ended."""

    daemon_threads = True
    request_queue_size = 128  # uv asks for much at once, and a connection that finds no room comes back in a second

    def start(self) -> None:
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def wheel(
    name: str,
    version: str,
    entries: Iterable[tuple[str, int, str | bytes]],
    *,
    tag: str = "py3-none-any",
    metadata: Iterable[tuple[str, str]] = (),
    rows: Iterable[str] = (),
) -> bytes:
    """Return a wheel of entries, each a path, a mode and a content; `{info}` and `{data}` in paths are its folders.

    A path that ends with a slash is that of a folder, which no RECORD has. `metadata` is what METADATA has besides name
    and version, and `rows` are further paths that RECORD names, with the hash of nothing. An entry can be the RECORD
    itself.
    """
    info, data = f"{name}-{version}.dist-info", f"{name}-{version}.data"
    python, abi, platforms = tag.split("-")
    about = [("Wheel-Version", "1.0"), ("Root-Is-Purelib", str(tag.endswith("-any")).lower())]
    about += [("Tag", f"{python}-{abi}-{platform}") for platform in platforms.split(".")]
    facts = [("Metadata-Version", "2.3"), ("Name", name), ("Version", version), *metadata]
    packed = [
        (path.replace("{info}", info).replace("{data}", data), mode, _encoded(content))
        for path, mode, content in (
            *entries,
            ("{info}/METADATA", FILE, _lines(facts)),
            ("{info}/WHEEL", FILE, _lines(about)),
        )
    ]
    if all(path != f"{info}/RECORD" for path, _, _ in packed):
        record = io.StringIO()
        written = csv.writer(record, lineterminator="\n")
        files = [(path, content) for path, _, content in packed if not path.endswith("/")]
        for path, content in [*files, *((path, b"") for path in rows)]:
            written.writerow([path, f"sha256={record_digest(content)}", len(content)])
        written.writerow([f"{info}/RECORD", "", ""])
        packed.append((f"{info}/RECORD", FILE, record.getvalue().encode()))
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for path, mode, content in packed:
            entry = zipfile.ZipInfo(path, _TIME)
            entry.create_system = 3  # of which the mode is one
            entry.external_attr = mode << 16
            archive.writestr(entry, content)
    return made.getvalue()


def sdist(name: str, version: str, files: Mapping[str, str]) -> bytes:
    """Return a source distribution of these files, and its PKG-INFO."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        facts = [("Metadata-Version", "2.2"), ("Name", name), ("Version", version)]
        for path, text in {"PKG-INFO": _lines(facts), **files}.items():
            member = tarfile.TarInfo(f"{name}-{version}/{path}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return made.getvalue()


def record_digest(content: bytes) -> str:
    """Return the SHA-256 of a file as RECORD has it."""
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def _encoded(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


def _lines(fields: Iterable[tuple[str, str]]) -> str:
    return "".join(f"{name}: {value}\n" for name, value in fields)
