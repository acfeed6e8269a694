"""The review page and the index in a real browser: what a reader does, sees, prints and exports."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import NO_WEBGL, SOFTWARE_WEBGL, Watched, chromium, in_chromium, keep, n_pages, opened, playwright
from PIL import Image
from two_kidneys import MARK_AT, an_answer, stored, two_kidneys

from ccrcc_model.patient.index import IndexRow, write_index
from ccrcc_model.patient.page import About, Flag, about_answer, write_page
from ccrcc_model.patient.reviews import read_reviews
from ccrcc_model.patient.shown_scan import show
from ccrcc_model.patient.thumbnail import thumbnail
from nnunet_ext.anatomy.self_check import self_check

pytestmark = in_chromium

HOSTILE = "<img src=x onerror=alert(1)>"

GREY = """(name) => {
  const canvas = document.getElementById(`view-${name}`);
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let sum = 0, squares = 0;
  for (let i = 0; i < pixels.length; i += 4) { sum += pixels[i]; squares += pixels[i] ** 2; }
  const n = pixels.length / 4;
  return { mean: sum / n, sd: Math.sqrt(squares / n - (sum / n) ** 2) };
}"""

PINK = """(name) => {
  const canvas = document.getElementById(`view-${name}`);
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let count = 0, across = 0;
  for (let i = 0; i < pixels.length; i += 4) {
    if (pixels[i] > 200 && pixels[i + 1] < 150 && pixels[i + 2] > 150) { count++; across += (i / 4) % canvas.width; }
  }
  return { count, across: across / count / canvas.width };
}"""


@pytest.fixture(scope="module")
def program() -> Iterator[Any]:
    with playwright() as found:
        yield found


@pytest.fixture(scope="module")
def browser(program: Any) -> Iterator[Any]:
    with chromium(program, *NO_WEBGL) as found:
        yield found


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with an answer, whose patient is named by a hostile hand."""
    path = tmp_path_factory.mktemp("page") / "page.html"
    answer = an_answer(patient=f"p-007 {HOSTILE}")
    write_page(path, show(two_kidneys()), about_answer(answer), answer)
    return path


def ready(watched: Watched) -> Watched:
    watched.tab.wait_for_selector("html[data-ready]")
    return watched


def position(watched: Watched) -> list[int]:
    return list(watched.evaluate("state.at"))


def drawn(watched: Watched, script: str, view: str) -> Any:
    watched.evaluate("drawAll()")
    return watched.tab.evaluate(script, view)


@pytest.mark.parametrize("settings", [{"width": 1280}, {"width": 360, "height": 780}, {"width": 1280, "color_scheme": "dark"}])
def test_the_page_opens_without_a_request_or_a_complaint_and_fits_its_window(
    browser: Any, page: Path, settings: dict[str, Any]
) -> None:
    with opened(browser, page, **settings) as watched:
        ready(watched)
        for view in ("axial", "coronal", "sagittal"):
            assert drawn(watched, GREY, view)["sd"] > 20
        assert watched.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert (watched.requests, watched.complaints) == ([], [])
        keep(watched, f"page-{settings['width']}-{settings.get('color_scheme', 'light')}")


def test_the_page_can_be_used_after_two_seconds_of_work(browser: Any, page: Path) -> None:
    with opened(browser, page) as watched:
        ready(watched)
        assert 0 < watched.work_s < 2


@pytest.mark.parametrize("order", ["LPS", "SRP", "AIR"])
def test_the_patients_left_is_drawn_on_the_right_in_front_on_top(browser: Any, tmp_path: Path, order: str) -> None:
    shown = show(stored(two_kidneys(), order))
    write_page(tmp_path / "page.html", shown, About("one", "b" * 64))
    at = [index - first + 1 for index, first in zip(MARK_AT, shown.first, strict=True)]
    brightest = """(name) => {
      const view = views.find((one) => one.name === name);
      const { canvas } = view;
      const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
      let x = 0, y = 0, n = 0;
      for (let i = 0; i < pixels.length; i += 4) {
        if (pixels[i] < 250 || pixels[i + 1] < 250) continue;
        n++; x += (i / 4) % canvas.width; y += Math.floor(i / 4 / canvas.width);
      }
      return [x / n / canvas.width, y / n / canvas.height];
    }"""
    with opened(browser, tmp_path / "page.html") as watched:
        ready(watched)
        watched.evaluate("View.prototype.drawLetters = () => {}; state.shown.clear(); setWindow(1000, 800)")
        watched.evaluate(f"goTo({at})")
        found = {view: drawn(watched, brightest, view) for view in ("axial", "coronal", "sagittal")}
    left_right, front_back = found["axial"]
    assert left_right > 0.5
    assert front_back < 0.5
    assert found["coronal"][0] == pytest.approx(left_right, abs=0.01)
    assert found["coronal"][1] < 0.5  # the head is on top
    assert found["sagittal"][0] == pytest.approx(front_back, abs=0.01)  # the front is on the left
    assert found["sagittal"][1] == pytest.approx(found["coronal"][1], abs=0.01)


def test_wheel_keys_and_sliders_scroll_and_every_view_follows(browser: Any, page: Path) -> None:
    with opened(browser, page) as watched:
        ready(watched)
        tab = watched.tab
        x, y, z = position(watched)
        axial = tab.locator("#view-axial")
        axial.hover()
        tab.mouse.wheel(0, 120)
        watched.until(f"state.at[2] < {z}")  # towards the feet
        watched.evaluate(f"goTo([{x}, {y}, {z}])")
        before = tab.evaluate(GREY, "axial")
        axial.focus()
        for key, moved in (("ArrowDown", -1), ("PageDown", -10), ("PageUp", 10), ("ArrowUp", 1)):
            was = position(watched)[2]
            tab.keyboard.press(key)
            assert position(watched)[2] == was + moved, key
        tab.keyboard.press("Home")
        assert position(watched)[2] == watched.evaluate("page.size[2]") - 1
        assert drawn(watched, GREY, "axial") != before
        tab.keyboard.press("Shift+ArrowRight")
        assert position(watched)[0] == x + 1
        tab.locator("#slice-coronal").fill("3")
        assert position(watched)[1] == 3
        assert (
            tab.locator("#view-coronal").get_attribute("aria-label")
            == f"coronal slice 4 of {watched.evaluate('page.size[1]')}"
        )


def test_a_click_moves_the_crosshair_of_all_views_and_states_what_is_there(browser: Any, page: Path) -> None:
    with opened(browser, page) as watched:
        ready(watched)
        box = watched.tab.locator("#view-axial").bounding_box()
        watched.tab.mouse.click(box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.6)
        x, y, _ = position(watched)
        size = watched.evaluate("page.size")
        assert x == pytest.approx(size[0] * 0.25, abs=1.5)
        assert y == pytest.approx(size[1] * 0.6, abs=1.5)
        watched.evaluate("drawAll()")
        first = watched.evaluate("page.first")
        said = watched.tab.locator("#readout").inner_text()
        assert f"voxel x {x + first[0] + 1}, y {y + first[1] + 1}" in said
        assert "HU, kidney" in said


def test_a_lesion_in_the_list_leads_there(browser: Any, page: Path) -> None:
    with opened(browser, page) as watched:
        ready(watched)
        watched.evaluate("goTo([0, 0, 0])")
        watched.tab.get_by_role("button", name="Cyst 2").click()
        assert watched.evaluate("labelAt(...state.at)") == 3
        watched.tab.get_by_role("button", name="Tumour 1").press("Enter")
        assert watched.evaluate("labelAt(...state.at)") == 2


def test_windows_change_the_image_by_button_key_and_slider(browser: Any, page: Path) -> None:
    with opened(browser, page) as watched:
        ready(watched)
        soft = drawn(watched, GREY, "axial")["mean"]
        watched.tab.get_by_role("button", name="Lung").click()
        lung = drawn(watched, GREY, "axial")["mean"]
        assert lung > soft + 30
        watched.tab.keyboard.press("1")
        assert drawn(watched, GREY, "axial")["mean"] == pytest.approx(soft, abs=0.5)
        assert watched.tab.get_by_role("button", name="Soft tissue").get_attribute("aria-pressed") == "true"
        watched.tab.locator("#level").fill("-300")
        assert drawn(watched, GREY, "axial")["mean"] > soft + 30
        assert watched.tab.locator("[data-window][aria-pressed=true]").count() == 0


def test_structures_rings_and_the_crosshair_can_be_hidden_and_shown(browser: Any, page: Path) -> None:
    with opened(browser, page) as watched:
        ready(watched)
        tumour = drawn(watched, PINK, "axial")
        assert tumour["count"] > 100
        assert tumour["across"] > 0.5  # the left kidney is on the right
        watched.tab.get_by_role("checkbox", name="Tumour").uncheck()
        assert drawn(watched, PINK, "axial")["count"] < 5
        before = drawn(watched, GREY, "axial")
        watched.tab.get_by_role("checkbox", name="Ring 0–3 mm").check()
        watched.until("volume.regions.size === 1")
        assert drawn(watched, GREY, "axial") != before


def test_what_moved_the_answer_lights_its_region(browser: Any, page: Path) -> None:
    with opened(browser, page) as watched:
        ready(watched)
        watched.tab.locator("tr[data-region=shell_0_3mm]").first.hover()
        watched.until("state.lit === 'shell_0_3mm'")
        lit = drawn(watched, GREY, "axial")["mean"]
        watched.tab.mouse.move(2, 2)
        watched.until("state.lit === null")
        assert drawn(watched, GREY, "axial")["mean"] < lit
        watched.tab.locator("tr[data-region=tumour]").first.focus()
        watched.until("state.lit === 'tumour'")


def test_a_review_is_exported_and_read_back(browser: Any, page: Path, tmp_path: Path) -> None:
    with opened(browser, page) as watched:
        ready(watched)
        tab = watched.tab
        tab.get_by_role("button", name="Export the review").click()
        assert "Mark at least one structure first" in tab.locator("#review-said").inner_text()
        tumour = tab.locator("[data-structure=tumour]")
        tumour.get_by_label("Needs correction").check()
        tumour.get_by_label("Comment on the tumour").fill("=HYPERLINK(1) </script> too wide")
        tab.locator("[data-structure=kidney]").get_by_label("Accept").check()
        tab.locator("#reader").fill("AB")
        with tab.expect_download() as download:
            tab.get_by_role("button", name="Export the review").click()
        download.value.save_as(tmp_path / "one.review.json")
        assert [one for one in watched.requests if not one.startswith("blob:")] == []
    (review,) = read_reviews(tmp_path)
    assert (review.case, review.mask_sha256, review.reader) == (f"p-007 {HOSTILE}", "b" * 64, "AB")
    assert {name: one.verdict for name, one in review.structures.items()} == {"kidney": "accept", "tumour": "correct"}
    assert review.structures["tumour"].comment == "=HYPERLINK(1) </script> too wide"


def test_names_of_a_hostile_hand_do_nothing(browser: Any, page: Path) -> None:
    with opened(browser, page) as watched:
        ready(watched)
        assert watched.evaluate("document.images.length") == 0
        assert HOSTILE in watched.tab.locator("h1").inner_text()


def test_every_control_is_reached_by_the_keyboard(browser: Any, page: Path) -> None:
    with opened(browser, page) as watched:
        ready(watched)
        seen = set()
        for _ in range(60):
            watched.tab.keyboard.press("Tab")
            seen.add(watched.evaluate("document.activeElement.id || document.activeElement.dataset.window || ''"))
        assert {"view-axial", "view-coronal", "view-sagittal", "slice-axial", "0", "4", "reader"} <= seen


@pytest.mark.parametrize("many", [False, True])
def test_it_prints_on_one_page_with_flags_number_and_images(browser: Any, tmp_path: Path, many: bool) -> None:
    answer = an_answer()
    if many:
        answer["flags"] *= 12
        answer["predictions"] = [answer["predictions"][0]] * 4
    write_page(tmp_path / "page.html", show(two_kidneys()), about_answer(answer), answer)
    with opened(browser, tmp_path / "page.html", width=703, height=1036) as watched:
        ready(watched)
        pdf = watched.tab.pdf(prefer_css_page_size=True)
        assert n_pages(pdf) == 1
        assert len(pdf) > 50_000
        watched.tab.emulate_media(media="print")
        keep(watched, f"print-{'many' if many else 'few'}")
        below = "document.querySelector(`#view-${name}`).getBoundingClientRect().bottom"
        assert all(watched.evaluate(below.replace("${name}", name)) <= 1036 for name in ("axial", "coronal", "sagittal"))
        assert watched.tab.get_by_text("34%", exact=True).first.is_visible()


def test_without_webgl_there_is_no_third_dimension_and_nothing_else_is_lost(browser: Any, page: Path) -> None:
    with opened(browser, page) as watched:
        ready(watched)
        assert watched.evaluate("hasWebGl()") is False
        assert not watched.tab.locator("#tabs").is_visible()
        assert drawn(watched, GREY, "coronal")["sd"] > 20


def test_with_webgl_the_structures_are_drawn_in_three_dimensions_the_right_way_round(
    program: Any, page: Path, tmp_path: Path
) -> None:
    with chromium(program, *SOFTWARE_WEBGL) as browser, opened(browser, page) as watched:
        ready(watched)
        watched.tab.get_by_role("tab", name="3-D").click()
        watched.tab.wait_for_selector("html[data-three=drawn]", timeout=90_000)
        watched.tab.wait_for_timeout(500)
        picture = tmp_path / "three.png"
        watched.tab.locator("#three").screenshot(path=picture)
        keep(watched, "page-three")
        assert (watched.requests, watched.complaints) == ([], [])
        watched.tab.get_by_role("tab", name="Slices").click()
        assert watched.tab.locator("#view-axial").is_visible()
    with Image.open(picture) as opened_picture:
        pixels = np.asarray(opened_picture.convert("RGB")).astype(int)
    assert pixels.std() > 15
    pink = (pixels[..., 0] - pixels[..., 1] > 60) & (pixels[..., 2] - pixels[..., 1] > 30)
    pink[-pixels.shape[0] // 4 :, : pixels.shape[1] // 4] = False  # the cube of directions
    rows, columns = np.nonzero(pink)
    assert len(rows) > 200
    assert columns.mean() > pixels.shape[1] / 2  # seen from the front, the left kidney is on the right


def rows(n: int) -> list[IndexRow]:
    scan = two_kidneys()
    shown = show(scan)
    check = self_check("one", shown.labels, shown.labels, spacing_mm=shown.spacing_mm[::-1])
    picture = thumbnail(shown)
    flag = (Flag("scan-edge", "caution", "Labels on an outer face."),)
    made = []
    for i in range(n):
        own = replace(check, tumour_ml=float(i))
        name = f"case-{i:03d}"
        made.append(
            IndexRow(name, f"p{i}", "north", f"pages/{name}.html", f"{i:064x}", picture, own, flag if i % 5 == 0 else ())
        )
    return made


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of five hundred cases, of which each fifth has a flag."""
    return write_index(tmp_path_factory.mktemp("index"), "Cohort north", rows(500))


def first_cases(watched: Watched, n: int = 2) -> list[str]:
    return [watched.tab.locator("#cases tbody tr:not([hidden]) th a").nth(i).inner_text() for i in range(n)]


@pytest.mark.parametrize("width", [1280, 360])
def test_an_index_of_five_hundred_opens_at_once_and_decodes_what_is_seen(browser: Any, index: Path, width: int) -> None:
    assert index.stat().st_size < 6_000_000
    with opened(browser, index, width=width) as watched:
        watched.until("document.querySelector('#cases img').naturalWidth > 0")
        assert 0 < watched.work_s < 4  # of several processes, without a graphics card
        assert 0 < watched.evaluate("[...document.images].filter((image) => image.src).length") < 100
        assert watched.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert [one for one in watched.requests if not one.startswith("data:")] == []
        assert watched.complaints == []


def test_cases_are_sorted_filtered_and_marked(browser: Any, index: Path, tmp_path: Path) -> None:
    with opened(browser, index) as watched:
        tab = watched.tab
        assert first_cases(watched) == ["case-000", "case-001"]
        tab.get_by_role("button", name="Tumour, ml").click()
        tab.get_by_role("button", name="Tumour, ml").click()
        assert first_cases(watched) == ["case-499", "case-498"]
        assert tab.locator("th[data-sort=tumour]").get_attribute("aria-sort") == "descending"
        tab.locator("#flag").select_option("scan-edge")
        assert first_cases(watched) == ["case-495", "case-490"]
        assert tab.locator("#shown").inner_text() == "100 of 500 cases are shown."
        tab.locator("#search").fill("case-495")
        tab.get_by_role("button", name="Needs correction").first.click()
        tab.get_by_label("Comment on case-495").fill("cut")
        with tab.expect_download() as download:
            tab.get_by_role("button", name="Export the marks").click()
        download.value.save_as(tmp_path / "marks.json")
    (review,) = read_reviews(tmp_path)
    assert (review.case, review.mask_sha256) == ("case-495", f"{495:064x}")
    assert {name: one.verdict for name, one in review.structures.items()} == dict.fromkeys(
        ("kidney", "tumour", "cyst"), "correct"
    )
