"""The browser that pages are opened in: Debian's Chromium, or another that is installed; tests skip where there is none."""

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
in_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here to open the page in")

NO_WEBGL = ("--disable-gpu", "--disable-3d-apis")
SOFTWARE_WEBGL = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader")


@dataclass
class Watched:
    """A page, and what it asked for and complained of.

    Args:
        tab: Playwright's page.
        requests: Addresses other than the page's own.
        complaints: Errors and warnings of the console, and exceptions.
        began_s: CPU seconds of the browser before the page was opened.
    """

    tab: Any
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    began_s: float = 0.0

    @property
    def work_s(self) -> float:
        """CPU seconds of all processes of the browser since the page was opened, however busy the machine is."""
        return _worked_s() - self.began_s

    def until(self, expression: str, *, seconds: float = 30.0) -> None:
        """Wait until an expression is true; the page's policy forbids Playwright's own waiting, which evaluates text."""
        end = time.monotonic() + seconds
        while not self.tab.evaluate(expression):
            assert time.monotonic() < end, f"{expression} did not come true in {seconds:g} s"
            self.tab.wait_for_timeout(50)

    def evaluate(self, script: str) -> Any:
        return self.tab.evaluate(script)


@contextmanager
def playwright() -> Iterator[Any]:
    """Start what starts browsers; they are processes that are asked by pipes, so that nothing leaves this machine."""
    with pytest.importorskip("playwright.sync_api").sync_playwright() as program:
        yield program


@contextmanager
def chromium(program: Any, *flags: str) -> Iterator[Any]:
    """Start the browser."""
    browser = program.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *flags])
    try:
        yield browser
    finally:
        browser.close()


def _worked_s() -> float:
    """CPU seconds of all processes that this one has started and that are still there."""
    total = 0.0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system
    return total


@contextmanager
def opened(browser: Any, page: Path, *, width: int = 1280, height: int = 900, **settings: Any) -> Iterator[Watched]:
    """Open a page from its file in a window of a size."""
    context = browser.new_context(viewport={"width": width, "height": height}, accept_downloads=True, **settings)
    watched = Watched(context.new_page(), began_s=_worked_s())
    own = page.as_uri()
    watched.tab.on("request", lambda request: None if request.url == own else watched.requests.append(request.url))
    watched.tab.on("console", lambda said: watched.complaints.append(f"{said.type}: {said.text}"))
    watched.tab.on("pageerror", lambda error: watched.complaints.append(str(error)))
    watched.tab.goto(own)
    try:
        yield watched
    finally:
        context.close()


def n_pages(pdf: bytes) -> int:
    """Number of pages of a PDF that Chromium printed."""
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


def keep(watched: Watched, name: str) -> None:
    """Keep a picture of the page where ``CCRCC_SCREENSHOTS`` names a folder, for a person to look at."""
    if folder := os.environ.get("CCRCC_SCREENSHOTS"):
        watched.tab.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
