"""Documents of strangers: whatever is in them, there is a result, or one line that says why there is none."""

from __future__ import annotations

import copy
import datetime as dt
import os
from functools import partial

import pytest
import tomli
import tomli_w
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from uv_layers import errors
from uv_layers.cli.dockerfile import bake_for, dockerfile_for
from uv_layers.cli.env import environment_of
from uv_layers.cli.json import diff_json
from uv_layers.cli.markdown import diff_markdown
from uv_layers.cli.tables import diff_table
from uv_layers.image.dockerfile import whole_dockerfile
from uv_layers.image.recipe import Recipe, Stage
from uv_layers.lock import layer_lock, layer_lock_reader, uv_lock
from uv_layers.lock.builds import settings_to_install
from uv_layers.plan import diff
from uv_layers.project import config, discovery, edit
from uv_layers.project.config import LayerSpec
from uv_layers.project.options import Options
from uv_layers.project.settings import index_access
from uv_layers.system import interpreter
from uv_layers.tree import isolation

# More than the default, for a proof that takes its time.
EXAMPLES = int(os.environ.get("UV_LAYERS_TEST_EXAMPLES", "250"))
thorough = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)

SHA = "9" * 64
CONFIG = {
    "prefix": "/app/.venv",
    "layers": [
        {"name": "heavy", "packages": ["numpy", "nvidia-*"], "groups": ["heavy"], "image": "debian"},
        {"name": "light", "extras": ["web"], "dependencies": True, "system-packages": ["git"], "args": ["VERSION"]},
        {"name": "app", "project": True, "env": {"FLAGS": "-O2"}},
    ],
    "dockerfile": {
        "base": "python:3.12",
        "builder": "debian",
        "cmd": "run --it",
        "tool": "0.1.0",
        "uv": "0.9",
        "copy": ["src"],
        "secrets": ["TOKEN", "netrc"],
        "link": False,
    },
}
PYPROJECT = {
    "project": {
        "name": "app",
        "version": "1.0",
        "requires-python": ">=3.10",
        "dependencies": ["web"],
        "dynamic": ["version"],
        "optional-dependencies": {"web": ["web"]},
    },
    "dependency-groups": {"heavy": ["numpy"], "docs": [{"include-group": "heavy"}]},
    "tool": {
        "uv": {
            "default-groups": ["heavy"],
            "workspace": {"members": ["packages/*"], "exclude": ["packages/old"]},
            "sources": {"web": {"path": "vendor/web.whl"}, "numpy": [{"git": "https://git.example/a"}]},
            "index": [{"name": "own", "url": "https://own.example/simple"}],
            "index-url": "https://index.example/simple",
            "extra-index-url": ["https://more.example/simple"],
            "find-links": ["vendor"],
            "no-build-package": ["numpy"],
            "config-settings": {"a": "b"},
            "extra-build-variables": {"numpy": {"A": "b"}},
        },
        "uv-layers": CONFIG,
    },
}
LOCK = {
    "lock-version": "1.0",
    "environments": ["sys_platform == 'linux' and platform_machine == 'x86_64'"],
    "requires-python": "==3.12.*",
    "created-by": "uv-layers",
    "packages": [
        {
            "name": "web",
            "version": "1.0",
            "index": "https://index.example/simple",
            "wheels": [
                {
                    "name": "web-1.0-py3-none-any.whl",
                    "url": "https://index.example/files/web-1.0-py3-none-any.whl",
                    "size": 1000,
                    "upload-time": dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc),
                    "hashes": {"sha256": SHA},
                }
            ],
        },
        {"name": "built", "version": "1.0", "sdist": {"path": "vendor/built-1.0.tar.gz", "hashes": {"sha256": SHA}}},
        {"name": "tool", "vcs": {"type": "git", "url": "https://git.example/tool", "commit-id": "0" * 40}},
        {
            "name": "one",
            "archive": {"url": "https://files.example/one-1.0-py3-none-any.whl", "size": 1, "hashes": {"sha256": SHA}},
        },
    ],
    "tool": {
        "uv-layers": {
            "layer": "some",
            "prefix": "/usr/local",
            "environment": False,
            "uv": {
                "index": [{"name": "own", "url": "https://own.example/simple"}],
                "config-settings": {"a": ["b", "c"]},
                "no-build-isolation-package": ["built"],
                "extra-build-dependencies": {"built": ["setuptools", {"requirement": "helper", "match-runtime": True}]},
                "find-links": ["vendor"],
            },
            "build-packages": [
                {
                    "name": "helper",
                    "version": "1.0",
                    "wheels": [{"path": "vendor/helper-1.0-py3-none-any.whl", "hashes": {"sha256": SHA}}],
                }
            ],
        }
    },
}

# What a program may stumble over; those in pointed brackets stand for what no writer of TOML writes.
LONG_NUMBER, LONG_HEX, DEEP, DEEPER = "<number>", "<hex>", "<deep>", "<deeper>"
RAW = {
    LONG_NUMBER: b"9" * 5000,
    LONG_HEX: b"0x" + b"f" * 5000,
    DEEP: b"[" * 90 + b"]" * 90,
    DEEPER: b"[" * 380 + b"]" * 380,
}
texts = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        [
            *RAW,
            "",
            "\0",
            "..",
            ".",
            "/",
            "../../etc/passwd",
            "/etc/passwd",
            "a/b",
            "a\nRUN evil",
            "\x1b[31m",
            "\x9b31m",
            "\x7f",
            "\u202e",
            "a" * 300,
            "a/" * 2000,
            "**/" * 300,
            "-x",
            "--help",
            "it's",
            '"',
            "\\",
            "$(id)",
            "`id`",
            "${HOME}",
            "<<EOF",
            "[z-a]",
            "*",
            "!",
            " https://user:secret@host/a",
            "https:user:secret@host",
            "file:///etc/passwd",
            "git+ssh://git@host/a",
            "==" + "9" * 5000,
            "1." + "9" * 5000,
            "os_name ~= 'x'",
            "extra == 'x'",
            "os_name == 'a'" + " or os_name == 'b'" * 50,
            "(" * 300 + "os_name == 'a'" + ")" * 300,
            "all",
            "dev",
            "1.0\n",
            "web-1.0-" + ".".join("ab" * 50) + "-" + ".".join("cd" * 50) + "-" + ".".join("ef" * 50) + ".whl",
            "web-1.0-none-any.whl",
            "a.whl",
        ]
    ),
)
scalars = st.one_of(
    texts,
    st.booleans(),
    st.integers(),
    st.sampled_from([-1, 0, 2**63, 2**64, 10**400]),
    st.floats(),
    st.datetimes(),
    st.dates(),
    st.times(),
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=4
)


def _places(value):
    """Yield the container and the key of every value in a document."""
    for key, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        if isinstance(inner, (dict, list)):
            yield from _places(inner)


@st.composite
def changed(draw, document):
    """A document with some values replaced, removed, moved or added."""
    made = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        container, key = draw(st.sampled_from(list(_places(made)) or [(made, "a")]))
        kind = draw(st.sampled_from(["replace", "replace", "text", "remove", "add", "repeat"]))
        if kind == "replace":
            container[key] = draw(values)
        elif kind == "text":
            container[key] = draw(texts)
        elif kind == "remove" and key in (container if isinstance(container, dict) else range(len(container))):
            del container[key]
        elif kind == "add" and isinstance(container, dict):
            container[draw(texts)] = draw(values)
        elif isinstance(container, list):
            container.append(copy.deepcopy(container[0]) if kind == "repeat" and container else draw(values))
    return made


def written(document):
    data = tomli_w.dumps(document).encode()
    for name, raw in RAW.items():
        data = data.replace(f'"{name}"'.encode(), raw)
    return data


pieces = st.one_of(
    st.binary(max_size=8),
    st.sampled_from(
        [b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"\x1b", b"\r", b"\n", b"[", b"]]", b'"', b'"""', b"'''", b"#"]
    ),
    st.sampled_from([b"[" * 500, b"a." * 400 + b"a = 1\n", b"[tool]\n", b"[[packages]]\n", b"= 1\n", b"\xef\xbb\xbf"]),
)


@st.composite
def spoiled(draw, document):
    """The bytes of a document that was changed as one, or as bytes."""
    if draw(st.booleans()):
        return written(draw(changed(document)))
    data = written(document)
    for _ in range(draw(st.integers(1, 3))):
        start, end = sorted((draw(st.integers(0, len(data))), draw(st.integers(0, len(data)))))
        kind = draw(st.sampled_from(["insert", "cut", "twice", "end"]))
        if kind == "insert":
            data = data[:start] + draw(pieces) + data[start:]
        elif kind == "cut":
            data = data[:start] + data[end:]
        elif kind == "twice":
            data = data[:end] + data[start:end] + data[end:]
        else:
            data = data[:start]
    return data


def one_line(call, *arguments):
    """Call a function, and return what it does, or None where it says in one line that the input is at fault."""
    try:
        return call(*arguments)
    except errors.LayersError as error:
        assert error.exit_code == 2  # noqa: PT017 - it need not be raised
        assert str(error).isprintable()  # noqa: PT017
        assert 0 < len(str(error)) < 4100  # noqa: PT017
        return None


def make_project(folder):
    """Write a project with all that its `pyproject.toml` speaks of."""
    for name in ("src", "vendor", "packages/one"):
        (folder / name).mkdir(parents=True)
    (folder / "vendor/web.whl").touch()
    (folder / "packages/one/pyproject.toml").write_text('[project]\nname = "one"\n', encoding="utf-8")
    (folder / "uv.lock").write_text("version = 1\n", encoding="utf-8")
    (folder / "pyproject.toml").write_bytes(written(PYPROJECT))


@pytest.fixture
def folder(tmp_path):
    make_project(tmp_path)
    return tmp_path


def _options(folder):
    return Options(directory=folder, python="3.12", environ={"UV_LAYERS_UV": "/nowhere"})


def _listed(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def read_project(folder):
    """Do with a project all that is done without uv."""
    before = _listed(folder)
    for snippet in (True, False):
        text = one_line(partial(dockerfile_for, snippet=snippet), _options(folder))
        assert text is None or all(line.isprintable() for line in text.split("\n"))
    one_line(bake_for, _options(folder), folder / "Dockerfile")
    assert one_line(environment_of, _options(folder)) is None
    if loaded := one_line(discovery.load_project, folder):
        # What uv is given is what uv can be given.
        tomli_w.dumps(index_access(loaded))
        path = folder / "uv-layers.toml"
        written = one_line(edit.with_layers, path, [LayerSpec("new", ("web",))], loaded.config)
        assert written is None or tomli.loads(written)["layers"][0]["name"] == "new"
    assert _listed(folder) == before


def test_what_is_changed_is_understood_as_it_is(folder):
    assert "COPY --from=plan" in dockerfile_for(_options(folder), snippet=True)
    (folder / "uv-layers.toml").write_bytes(written(CONFIG))
    assert "COPY --from=plan" in dockerfile_for(_options(folder))
    for name in ("pylock.some.toml", "valid.toml"):
        (folder / name).write_bytes(written(LOCK))
    assert list(read_lock(folder).versions) == ["web", "built", "tool", "one"]


def _project(groups=None, *, project=None, uv=None, own=None):
    """A project that has something for a layer, and one thing that is odd."""
    tool = {"uv": uv or {}, "uv-layers": own or {}}
    return written({"project": project or PYPROJECT["project"], "dependency-groups": groups or {}, "tool": tool})


@thorough
@given(data=spoiled(PYPROJECT))
@example(data=_project(project={"name": LONG_HEX}))
@example(data=_project(project={"name": "a\0"}))
@example(data=_project(project={"name": "a", "dependencies": [], "requires-python": ">=" + "9" * 5000}))
@example(data=_project({"a\0": []}))
@example(data=_project(uv={"workspace": {"members": ["."]}}))
@example(data=_project(uv={"workspace": {"members": ["a/" * 2000]}}))
@example(data=_project(uv={"workspace": {"members": ["a" * 300]}}))
@example(data=_project(uv={"workspace": {"members": ["a\0"]}}))
@example(data=_project(uv={"sources": {"a": {"path": "a\0"}}}))
@example(data=_project(uv={"sources": {"a": {"path": "a" * 300}}}))
@example(data=_project(uv={"index": [{"name": "a"}]}))
@example(data=_project(uv={"find-links": 1}))
@example(data=_project(own={"dockerfile": {"cmd": "it's"}}))
@example(data=_project(own={"prefix": "/" + "a" * 300}))
@example(data=_project(own={"layers": [{"name": "a", "packages": [LONG_HEX]}]}))
@example(data=_project(own={"layers": DEEPER}))
def test_pyproject(folder, data):
    (folder / "pyproject.toml").write_bytes(data)
    read_project(folder)


@thorough
@given(data=spoiled(CONFIG))
@example(data=written({"layers": [{"name": LONG_HEX}]}))
@example(data=written({"layers": [{"name": "a", "image": "\x7f"}]}))
@example(data=b"layers = [\n" + b"\n" * 2000)
@example(data=b'layers = [] # ]\n[dockerfile]\ncopy = [\n\']\', # [\n\'\'\'\n]\'\'\', """\\"""]"""\n]\n')
def test_configuration(folder, data):
    (folder / "uv-layers.toml").write_bytes(data)
    read_project(folder)


AT = interpreter.of_platform("linux/amd64", "3.12.4")


def read_lock(folder):
    path = folder / "pylock.some.toml"
    lock = layer_lock_reader.read_layer_lock(path, "some")
    one_line(layer_lock_reader.narrow_to_target, lock, path, AT)
    one_line(layer_lock_reader.check_wheels, [lock], AT)
    one_line(config.checked_prefix, lock.prefix, "a", "b")
    placed = tomli.loads(layer_lock.placed(lock, folder))
    assert len(placed["packages"]) == len(tomli.loads(lock.text)["packages"])
    # What uv is given is what uv can be given.
    tables = [*placed["packages"], *lock.build_packages]
    tomli_w.dumps(settings_to_install(lock.settings, tables, folder, isolation.unisolated(lock)))
    tomli_w.dumps(tomli.loads(layer_lock.placed(lock, folder, isolation.installed_before(lock))))
    layer, other = (
        layer_lock.layer_of(lock),
        layer_lock.layer_of(layer_lock_reader.read_layer_lock(folder / "valid.toml", "some")),
    )
    for changes in (diff.compare([layer], [other]), diff.compare([other], [layer]), diff.compare([], [layer])):
        for text in (diff_table(changes, 80), diff_markdown(changes), diff_json(changes)):
            assert all(line.isprintable() for line in text.split("\n"))
    return lock


@thorough
@given(data=spoiled(LOCK))
@example(data=written({**LOCK, "requires-python": "==" + "9" * 5000}))
@example(data=written({**LOCK, "environments": ["os_name ~= 'x'"]}))
@example(data=written({**LOCK, "environments": ["extra == 'x'"]}))
@example(data=written({**LOCK, "environments": ["(" * 300 + "os_name == 'a'" + ")" * 300]}))
@example(data=written({**LOCK, "tool": {"uv-layers": {"prefix": dt.date(2026, 1, 1)}}}))
@example(data=written({**LOCK, "tool": {"uv-layers": {"layer": LONG_HEX}}}))
@example(data=written({**LOCK, "tool": {"uv-layers": {"uv": {"config-settings": dt.date(2026, 1, 1)}}}}))
@example(data=written({**LOCK, "tool": {"other": DEEPER}}))
@example(data=written({**LOCK, "": LONG_HEX}))
@example(data=written({**LOCK, "packages": [{**LOCK["packages"][0], "version": "\n1.0\x1c"}]}))
@example(data=written({**LOCK, "packages": [{**LOCK["packages"][3], "archive": {"path": "", "url": "a"}}]}))
def test_layer_lock(folder, data):
    (folder / "valid.toml").write_bytes(written(LOCK))
    (folder / "pylock.some.toml").write_bytes(data)
    one_line(read_lock, folder)


@settings(deadline=None)
@given(
    text=st.one_of(
        st.text(),
        st.lists(
            st.sampled_from(
                ["\n[[package]]\n", 'name = "a"\n', 'version = "1"\n', 'source = { git = "x#c" }\n', '"', " = "]
            )
        ).map("".join),
    )
)
def test_versions_of_a_lock_are_read_from_any_text(text):
    found = uv_lock.locked_versions(text)
    assert found is None or all(name and versions for name, versions in found.items())


@given(texts, texts, texts)
@settings(deadline=None)
def test_every_line_of_a_dockerfile_is_printable(image, path, word):
    recipe = Recipe((Stage("heavy", image, (word,)),), (path,), word, image, ((path, path),), uv="0.9", sources=(path,))
    made = one_line(whole_dockerfile, recipe)
    assert made is None or all(line.isprintable() for line in made.split("\n"))
