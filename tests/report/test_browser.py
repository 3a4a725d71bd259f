"""Pages in a driven browser: maps move, the cursor tells the NIfTI files' values, and nothing leaves the page."""

import base64
import dataclasses
import json
import re

import matplotlib
import nibabel
import numpy as np
import pytest

from raofit.cli import main
from raofit.core.status import Status
from raofit.io.network_file import save_network
from raofit.models import MonoExponentialADC
from tests.cli.helpers import adc_scan, save
from tests.estimators.untrained import untrained

WIDTHS = {"phone": (390, 844, True), "desktop": (1280, 900, False)}
SCALES = {"10⁻³ mm²/s": 1e3}  # from the unit of a file to that of the page


@pytest.fixture(scope="module")
def maps(tmp_path_factory):
    """Maps of a small scan; the shapes are those of `tests/cli/test_map.py`, whose compiled programs serve again."""
    folder = tmp_path_factory.mktemp("maps")
    shape = adc_scan(folder).shape
    mask = save(folder / "mask.nii.gz", (np.random.default_rng(1).uniform(size=shape) < 0.8).astype(np.uint8))
    return mapped(folder, folder / "dwi.nii.gz", "--mask", mask, "--model", "adc", "--sigma", 5, "--intervals", 0.95)


def mapped(folder, *tokens):
    assert main([str(token) for token in ("map", *tokens, "--out", folder / "out")]) == 0
    return folder / "out"


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    """The page of a network."""
    folder = tmp_path_factory.mktemp("card")
    figures = {"bias": 1e-4, "bias_slope": -0.5, "std": 0.2, "rmse": 0.25, "crb_std": 0.3, "constant_rmse": 0.4}
    entry = {"snr": 20.0, "parameters": dict.fromkeys(("S0", "ADC"), figures)}
    network = dataclasses.replace(
        untrained(MonoExponentialADC([0, 300, 600, 1000])),
        card={"n_truths": 400, "n_repeats": 100, "entries": [entry]},
        provenance={"recipe": {"labels": "mle-rician", "n_training": 4000}},
    )
    save_network(folder / "adc.raofit", network)
    assert main(["card", str(folder / "adc.raofit"), "--out", str(folder / "out")]) == 0
    return folder / "out"


class Page:
    """A page on a screen."""

    def __init__(self, browser, folder, width="desktop"):
        self.browser = browser
        wide, high, is_mobile = WIDTHS[width]
        self.send("Emulation.setDeviceMetricsOverride", width=wide, height=high, deviceScaleFactor=1, mobile=is_mobile)
        self.send("Emulation.setTouchEmulationEnabled", enabled=is_mobile)
        self.logs()
        browser.get((folder / "report.html").as_uri())
        if "data-viewer" in (folder / "report.html").read_text("utf-8"):
            self.wait("document.querySelector('[data-state=ready]')")

    def send(self, command, **options):
        return self.browser.execute_cdp_cmd(command, options)

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def wait(self, condition):
        """Until it holds, and what follows from it is drawn."""
        self.browser.execute_async_script(
            f"const done = arguments[0]; const look = () => ({condition}) ? requestAnimationFrame(() => "
            "requestAnimationFrame(() => done())) : setTimeout(look, 10); look();"
        )

    def set(self, part, value, event="input"):
        self.run(
            "const [part, value, event] = arguments; const at = document.querySelector(`[data-part='${part}']`);"
            "at.value = value; at.dispatchEvent(new Event(event, { bubbles: true }));",
            part, value, event,
        )  # fmt: skip
        self.wait("true")

    def click(self, selector):
        self.run("document.querySelector(arguments[0]).click()", selector)
        self.wait("true")

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0]).textContent", selector)

    def pixels(self):
        """What the maps show."""
        return self.run("return [...document.querySelectorAll('[data-map]')].map((map) => map.toDataURL())")

    def keys(self, *keys):
        from selenium.webdriver.common.action_chains import ActionChains

        chain = ActionChains(self.browser)
        for key in keys:
            chain.send_keys(key)
        chain.perform()
        self.wait("true")

    def logs(self):
        """What was complained of, and every address that was asked for, since the last call."""
        said = [entry["message"] for entry in self.browser.get_log("browser")]
        events = [json.loads(entry["message"])["message"] for entry in self.browser.get_log("performance")]
        asked = [
            event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"
        ]
        return said, asked

    def require_quiet(self):
        """Nothing in the console, and no request but for the page and its data."""
        said, asked = self.logs()
        assert said == []
        assert asked
        assert [address for address in asked if not address.startswith(("file:", "data:"))] == []

    def voxel(self):
        """The cursor, as voxel of the NIfTI files."""
        words = re.match(r"Voxel (\d+), (\d+), (\d+)", self.text("[data-part=voxel]"))
        return tuple(int(word) for word in words.groups())

    def require_readings(self, folder):
        """Every panel reads what the files hold at the cursor, but for the rounding that the page states."""
        content = json.loads(self.text("script[type='application/json']"))
        shown = self.run("return [...document.querySelectorAll('[data-reading]')].map((at) => at.textContent)")
        words = self.run("return [...document.querySelectorAll('[data-interval]')].map((at) => at.textContent)")
        intervals = dict(zip([layer["name"] for layer in content["layers"]], words, strict=False))
        voxel = self.voxel()
        status = Status(int(value_of(folder, "status", voxel)))
        assert self.text("[data-part=sentence]") == ("" if status is Status.OUTSIDE_MASK else status.sentence)
        if not status.is_usable:
            assert set(shown[:2]) <= {"–", "none"}
            return
        for layer, words in zip(content["layers"], shown, strict=False):
            name, scale = layer["name"].replace(" ", "_"), SCALES.get(layer["unit"], 1.0)
            numbers = words.replace("−", "-").replace("∞", "inf").split(" ± ")
            assert len(numbers) == 1 + (layer["errors"] is not None)
            told = list(zip(numbers, ("", "_std"), (layer["values"], layer["errors"]), strict=False))
            if layer["interval"]:
                level, _, ends = intervals[layer["name"]].replace("−", "-").partition(": ")
                assert level == "95 %"
                told += zip(ends.split(" to "), ("_lower", "_upper"), layer["interval"], strict=True)
            for number, end, quantity in told:
                truth = scale * value_of(folder, name + end, voxel)
                last = 10.0 ** -len(number.partition(".")[2])
                rounding = np.expm1(quantity["step"] / 2) * np.hypot(quantity["scale"], truth - quantity["center"])
                assert float(number) == pytest.approx(truth, abs=0.5 * last + rounding + 1e-9)


def value_of(folder, name, voxel):
    return float(nibabel.load(folder / f"{name}.nii.gz").dataobj[voxel])


@pytest.mark.parametrize("width", list(WIDTHS))
def test_the_maps_move(browser, maps, width):
    drive(Page(browser, maps, width), maps, width)


@pytest.mark.slow
def test_the_maps_of_a_real_scan_move(browser, shared_data, tmp_path):
    scan = shared_data / "ivim-cord7T"
    image, b_values, mask = (scan / name for name in ("dwi_rl.nii.gz", "bval_rl.txt", "cord_seg_dilated.nii.gz"))
    maps = mapped(tmp_path, image, "--bval", b_values, "--mask", mask)
    for width in WIDTHS:
        drive(Page(browser, maps, width), maps, width)
    touch(Page(browser, maps, "phone"), maps)
    page = Page(browser, maps)
    page.click("[data-part=hold]")
    press(page, maps)
    page.require_quiet()


def drive(page, maps, width):
    """Everything a pointer does to the controls, and that it is seen."""
    assert page.run("return document.documentElement.scrollWidth") <= WIDTHS[width][0]
    assert page.run("return document.querySelector('.without-script').hidden")
    page.click("[data-part=hold]")  # a pointer that lies somewhere leaves the cursor alone
    seen = page.pixels()
    page.require_readings(maps)
    other = 1 if page.run("return document.querySelector('[data-part=slice]').value") == "0" else 0
    page.set("slice", other)
    assert page.voxel()[2] == other
    page.require_readings(maps)
    moved = page.pixels()
    assert all(before != after for before, after in zip(seen[:2], moved[:2], strict=True))
    page.set("upper", 300)
    assert page.pixels()[0] != moved[0]
    assert page.pixels()[1] == moved[1]  # the colors of one map
    page.click("[data-part=fade]")
    page.click("[data-part=fade]")
    page.click("[data-part=reset]")
    assert page.pixels() == moved
    page.click("[data-part=closer]")
    assert page.text("[data-part=zoom-words]") == "1.5×"
    assert page.pixels()[1] != moved[1]
    page.click("[data-part=fit]")
    assert page.pixels() == moved
    page.click("[data-quantity=errors]")
    assert page.text("[data-title]") == "SE of S0"
    page.require_readings(maps)
    page.set("plane", 1, "change")
    assert page.text("[data-part=slice-words]").startswith(f"{page.voxel()[1]} (")
    page.require_quiet()


def touch(page, maps):
    """A tap moves the cursor, and two fingers magnify."""
    before = page.voxel()
    page.run("document.querySelectorAll('[data-map]')[1].scrollIntoView({ block: 'center', behavior: 'instant' })")
    box = page.run("return document.querySelectorAll('[data-map]')[1].getBoundingClientRect().toJSON()")
    at = {"x": box["x"] + 0.3 * box["width"], "y": box["y"] + 0.4 * box["height"]}
    page.send("Input.dispatchTouchEvent", type="touchStart", touchPoints=[at])
    page.send("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
    page.wait("true")
    assert page.voxel() != before
    page.require_readings(maps)
    page.wait("document.querySelector('[data-part=spoken]').textContent")
    assert page.text("[data-part=colors-of]").partition(" ")[0] in page.text("[data-part=spoken]")
    fingers = [{"x": at["x"] + offset, "y": at["y"]} for offset in (0, 20)]
    page.send("Input.dispatchTouchEvent", type="touchStart", touchPoints=fingers)
    page.send("Input.dispatchTouchEvent", type="touchMove", touchPoints=[fingers[0], {**at, "x": at["x"] + 40}])
    page.send("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
    page.wait("true")
    assert page.text("[data-part=zoom-words]") == "2×"  # the fingers are twice as far apart


def press(page, maps):
    """Keys on the second map: the cursor, the slice, the magnification, what is seen of it, and the hold."""
    from selenium.webdriver.common.keys import Keys

    page.run("document.querySelectorAll('[data-map]')[1].focus()")
    before = np.array(page.voxel())
    page.keys(Keys.ARROW_RIGHT)
    page.keys(Keys.ARROW_UP)
    assert np.abs(np.array(page.voxel()) - before).tolist() == [1, 1, 0]
    page.set("slice", 0)
    page.keys(Keys.PAGE_UP)
    assert page.voxel()[2] == 1
    page.require_readings(maps)
    page.keys("+", "+")
    assert page.text("[data-part=zoom-words]") == "2.3×"
    seen = page.pixels()
    page.keys(Keys.SHIFT + Keys.ARROW_LEFT + Keys.NULL)
    assert page.pixels() != seen
    page.keys("0", " ")
    assert page.text("[data-part=zoom-words]") == "1×"
    page.wait("document.querySelector('[data-part=spoken]').textContent")


def test_a_tap_or_a_pointer_moves_the_cursor(browser, maps):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By

    page = Page(browser, maps, "phone")
    touch(page, maps)

    page = Page(browser, maps, "desktop")
    found = browser.find_elements(By.CSS_SELECTOR, "[data-map]")
    page.run("arguments[0].scrollIntoView({ block: 'center', behavior: 'instant' })", found[0])
    pointer = ActionChains(browser, duration=10)
    pointer.move_to_element_with_offset(found[0], 20, 30).perform()
    page.wait("true")
    pointed = page.voxel()
    page.require_readings(maps)
    # right of and below the middle: of a RAS image seen by a radiologist, lower x and lower y
    assert np.all(np.array(pointed[:2]) < (np.array(nibabel.load(maps / "ADC.nii.gz").shape[:2]) - 1) / 2)
    require_color(page, maps, pointed)
    pointer.click().move_to_element_with_offset(found[1], -20, -30).perform()
    page.wait("true")
    assert page.voxel() == pointed  # held
    assert page.text("[data-part=colors-of]").startswith("S0")
    page.require_quiet()


def require_color(page, maps, voxel):
    """The ADC map has, where the pointer is on the first map, the color of that voxel's value."""
    content = json.loads(page.text("script[type='application/json']"))
    low, high = content["layers"][1]["values"]["limits"]
    seen = page.run(
        "const map = document.querySelectorAll('[data-map]')[1]; const scale = map.width / map.clientWidth;"
        "const at = [map.clientWidth / 2 + 20, map.clientHeight / 2 + 30].map((side) => Math.round(side * scale));"
        "return [...map.getContext('2d').getImageData(...at, 1, 1).data]"
    )
    share = (1e3 * value_of(maps, "ADC", voxel) - low) / (high - low)
    step = int(np.clip(np.floor(256 * share), 0, 255))
    colors = [matplotlib.colormaps["viridis"](near, bytes=True) for near in range(max(step - 1, 0), min(step + 2, 256))]
    assert tuple(seen) in [tuple(int(channel) for channel in color) for color in colors]


def test_keys_reach_and_do_everything(browser, maps):
    from selenium.webdriver.common.keys import Keys

    page = Page(browser, maps)
    page.click("[data-part=hold]")
    look = (
        "const at = document.activeElement; const hasSign = at.matches('[type=radio], .chips input');"
        "return [at.dataset.part || Object.keys(at.dataset)[0] || at.tagName, "
        "getComputedStyle(hasSign ? at.nextElementSibling : at).outlineStyle]"
    )
    reached = []
    while reached.count("PRE") < 2:
        page.keys(Keys.TAB)
        name, outline = page.run(look)
        reached.append(name)
        assert outline != "none"  # where the focus is can be seen
        assert len(reached) < 80
    parts = (
        "[...document.querySelectorAll('.viewer :is(button, input, select)[data-part]')].map((at) => at.dataset.part)"
    )
    assert set(page.run(f"return {parts}")) <= set(reached)
    assert {"quantity", "shows", "SUMMARY", "BUTTON"} <= set(reached)
    assert reached.count("map") == page.run("return document.querySelectorAll('[data-panel]:not([hidden])').length")
    press(page, maps)
    assert page.text("[data-part=colors-of]") == "ADC (10⁻³ mm²/s)"
    page.require_quiet()


@pytest.mark.parametrize("width", list(WIDTHS))
def test_a_card_is_readable_and_can_be_cited(browser, card, width):
    page = Page(browser, card, width)
    assert page.run("return document.documentElement.scrollWidth") <= WIDTHS[width][0]
    page.run("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    page.click("[data-copy=BibTeX] button")
    assert "@article{epstein2022," in page.run("return window.copied")
    assert page.text("[data-copy=BibTeX] [role=status]") == "Copied"
    assert "maximum-likelihood estimates (Rician noise) of the same measurements (Epstein et al. 2024)" in page.text(
        "[data-copy] pre"
    )
    page.require_quiet()


def test_the_page_prints(browser, maps):
    page = Page(browser, maps)
    page.click("[data-part=closer]")
    printed = base64.b64decode(page.send("Page.printToPDF", printBackground=True, preferCSSPageSize=True)["data"])
    assert printed.startswith(b"%PDF")
    assert 3 <= printed.count(b"/Type /Page\n") <= 12
    page.send("Emulation.setEmulatedMedia", media="print")
    shown = page.run(
        "return ['.viewer', '[data-map]', '.tools', '.colors', '[data-part=slice]'].map((name) => "
        "document.querySelector(name).getClientRects().length > 0)"
    )
    page.send("Emulation.setEmulatedMedia", media="")
    assert shown == [True, True, False, False, False]
    page.require_quiet()


def test_without_scripts_the_figures_are_there(browser, maps):
    page = Page(browser, maps)
    page.send("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.refresh()
        shapes = [
            [element.is_displayed() for element in browser.find_elements("css selector", selector)]
            for selector in (".viewer", ".without-script img")
        ]
    finally:
        page.send("Emulation.setScriptExecutionDisabled", value=False)
    assert shapes[0] == [False]
    assert len(shapes[1]) == 5
    assert all(shapes[1])
    page.require_quiet()


def test_a_browser_that_cannot_unpack_says_so_and_shows_the_figures(browser, maps):
    page = Page(browser, maps)
    script = page.send("Page.addScriptToEvaluateOnNewDocument", source="delete window.DecompressionStream")
    browser.refresh()
    page.wait("document.querySelector('.viewer-figure .remark')")
    page.send("Page.removeScriptToEvaluateOnNewDocument", identifier=script["identifier"])
    assert "cannot show" in page.text(".viewer-figure .remark")
    assert page.run("return document.querySelector('.viewer').hidden")
    assert not page.run("return document.querySelector('.without-script').hidden")
