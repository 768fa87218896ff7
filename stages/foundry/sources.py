"""Sources room: fetch texts and files from providers, check them, and cut texts into passages."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stages.foundry.files import Record, sha256, whole_directory, whole_file, write_json
from stages.foundry.stage import FoundryError, state_dir

# Short paragraphs of a message are salutations and transitions: 194 of Madison's are longer than this.
PASSAGE_WORDS = 40


class Source(BaseModel):
    """One line of data/sources.yaml."""

    model_config = ConfigDict(extra="forbid", strict=True)
    id: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    title: str
    author: str
    date: Annotated[str, Field(pattern=r"^\d{4}(-\d{2}(-\d{2})?)?$")]
    register_: Annotated[str, Field(alias="register")]
    role: Literal["own", "contrast"]
    locator: str
    licence: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None
    enabled: bool


def read_manifest(path: Path) -> list[Source]:
    """Raises FoundryError naming the entry, the key and what is allowed."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        entries: Any = YAML(typ="safe").load(path)
    except FileNotFoundError:
        raise FoundryError(f"{path}: no such file") from None
    except YAMLError as error:
        raise FoundryError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(entries, list):
        raise FoundryError(f"{path}: must be a list of sources")
    sources = []
    for number, entry in enumerate(entries, 1):
        try:
            sources.append(Source(**entry))
        except (ValidationError, TypeError) as error:
            item = error.errors()[0] if isinstance(error, ValidationError) else None
            what = f"{'.'.join(map(str, item['loc']))}: {item['msg']} (value {item['input']!r})" if item else str(error)
            name = entry.get("id", "?") if isinstance(entry, dict) else "?"
            raise FoundryError(f"{path}: entry {number} ({name}): {what}") from None
    ids = [s.id for s in sources]
    if repeated := sorted({i for i in ids if ids.count(i) > 1}):
        raise FoundryError(f"{path}: id {repeated[0]!r} stands twice")
    return sources


def _pip_wheel(requirement: str) -> Path:
    """The wheel of a pinned package, downloaded once with the machine's own pip configuration."""
    name, _, version = requirement.partition("==")
    folder = state_dir() / "packages"
    folder.mkdir(exist_ok=True)
    pattern = f"{re.sub(r'[-_.]+', '_', name)}-{version}-*.whl"
    if found := sorted(folder.glob(pattern)):
        return found[0]
    print(f"downloading {requirement}", flush=True)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        done = subprocess.run([*command, "--only-binary", ":all:", "--dest", temporary, requirement],
                              capture_output=True, text=True, check=False)  # fmt: skip
        wheels = sorted(Path(temporary).glob("*.whl"))
        if done.returncode or not wheels:
            last = ([line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["no wheel"])[-1]
            raise FoundryError(f"pypi:{requirement}: pip could not download it: {last}")
        return wheels[0].replace(folder / wheels[0].name)


def _html_text(page: str) -> bytes:
    """The paragraphs of an HTML page, one a line; what stands in no paragraph (menus, footers) is left out."""

    class Paragraphs(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.found: list[str] = []
            self.inside = False

        def handle_starttag(self, tag: str, attrs: Any) -> None:
            if tag == "p":
                self.inside = True
                self.found.append("")

        def handle_endtag(self, tag: str) -> None:
            if tag in ("p", "div", "body"):
                self.inside = False

        def handle_data(self, data: str) -> None:
            if self.inside:
                self.found[-1] += data

    parser = Paragraphs()
    parser.feed(page)
    lines = [" ".join(paragraph.split()) for paragraph in parser.found]
    return "".join(f"{line}\n" for line in lines if line).encode()


def fetch(locator: str, target: Path, expected_sha256: str | None) -> None:
    """Write what ``locator`` names to ``target``.

    ``pypi:NAME==VERSION`` is the wheel itself, ``pypi:NAME==VERSION/path`` a file inside it, ``url:ADDRESS`` a
    download (http or https), ``file:PATH`` a copy. Raises FoundryError where it cannot be had or where its sha256
    is not ``expected_sha256`` (both are named); ``target`` is then not written.
    """
    provider, _, rest = locator.partition(":")
    with whole_file(target) as temporary:
        if provider == "pypi" and re.match(r"[A-Za-z0-9._-]+==[^/=]+(/.+)?$", rest):
            requirement, _, inside = rest.partition("/")
            wheel = _pip_wheel(requirement)
            try:
                with zipfile.ZipFile(wheel) as archive:
                    temporary.write_bytes(archive.read(inside) if inside else wheel.read_bytes())
            except KeyError:
                raise FoundryError(f"{locator}: {wheel.name} holds no {inside}") from None
            except zipfile.BadZipFile:
                wheel.unlink()
                raise FoundryError(f"{locator}: {wheel.name} is damaged and was removed: run again") from None
        elif provider == "url" and rest.startswith(("http://", "https://")):
            try:
                request = urllib.request.Request(rest, headers={"User-Agent": "foundry"})
                with urllib.request.urlopen(request, timeout=60) as answer:
                    body = answer.read()
                    if answer.headers.get_content_type() == "text/html":
                        body = _html_text(body.decode(answer.headers.get_content_charset() or "utf-8", "replace"))
                    temporary.write_bytes(body)
            except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
                raise FoundryError(f"{locator}: could not be downloaded ({error})") from None
        elif provider == "file":
            if not Path(rest).is_file():
                raise FoundryError(f"{locator}: no such file")
            temporary.write_bytes(Path(rest).read_bytes())
        else:
            raise FoundryError(
                f"{locator!r}: not a locator; allowed: pypi:NAME==VERSION/path/in/package, url:http(s)://..., file:PATH"
            )
        found = sha256(temporary)
        if expected_sha256 and found != expected_sha256:
            raise FoundryError(f"{locator}: sha256 is {found}, the manifest says {expected_sha256}")


def fetch_all(manifest: Path, target: Path) -> None:
    """Fetch every enabled source into ``target/<id>.txt``, with an ``index.json`` of what each one is."""
    sources = [s for s in read_manifest(manifest) if s.enabled]
    if not any(s.role == "own" for s in sources):
        raise FoundryError(f"{manifest}: no enabled source has role 'own'")
    with whole_directory(target) as folder:
        index = []
        for source in sources:
            path = folder / f"{source.id}.txt"
            fetch(source.locator, path, source.sha256)
            try:
                text = path.read_text(encoding="utf-8")
            except UnicodeDecodeError as error:
                raise FoundryError(f"{source.locator}: not UTF-8 text at byte {error.start}") from None
            if not text.strip():
                raise FoundryError(f"{source.locator}: empty")
            index.append(source.model_dump(by_alias=True) | {"sha256": sha256(path), "words": len(text.split())})
        write_json(folder / "index.json", {"sources": index})
    print(f"{len(sources)} sources, {sum(s['words'] for s in index):,} words")


def passages(index: list[Record], folder: Path) -> list[Record]:
    """Paragraphs of more than `PASSAGE_WORDS` words, as ``{id, source_id, paragraph, author, role, register, date, text}``.

    ``id`` is ``<source id>#<paragraph>``, where ``paragraph`` counts the text's non-empty lines from 1.
    """
    records = []
    for source in index:
        lines = [" ".join(line.split()) for line in (folder / f"{source['id']}.txt").read_text("utf-8").splitlines()]
        for number, text in enumerate((line for line in lines if line), 1):
            if len(text.split()) > PASSAGE_WORDS:
                records.append(
                    {
                        "id": f"{source['id']}#{number}",
                        "source_id": source["id"],
                        "paragraph": number,
                        **{key: source[key] for key in ("author", "role", "register", "date")},
                        "text": text,
                    }
                )
    return records
