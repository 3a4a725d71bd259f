"""One headless Chromium for the tests of pages."""

import pathlib

import pytest

CHROMIUM, DRIVER = pathlib.Path("/usr/bin/chromium"), pathlib.Path("/usr/bin/chromedriver")
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-background-networking --disable-component-update "
    "--disable-sync --no-first-run --hide-scrollbars"
)


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """A driven Chromium that keeps what its pages say and ask for."""
    pytest.importorskip("selenium", reason="Selenium drives the browser: pip install 'raofit[test]'")
    for program in (CHROMIUM, DRIVER):
        if not program.exists():
            pytest.skip(f"pages are tested in Chromium, and {program} is not there")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS.split(), f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    driver.set_script_timeout(20)
    yield driver
    driver.quit()
