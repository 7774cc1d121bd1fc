"""Opens the dashboard in Chromium as a person would and fails if a chart does: check.py ADDRESS USER PICTURES.

The password comes by the environment, as BI_PASSWORD. For each width the check waits for every chart of the dashboard's
file, and asks of each that its query gave rows, that what it drew is not blank, that it shows no error and that it fits
the screen; and of the page that it asked no other machine for anything. PICTURES gets a picture of each width.
"""

import os
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlparse

import yaml
from playwright.sync_api import Locator, Page, Request, Response, TimeoutError, sync_playwright

DASHBOARD = Path(__file__).parent / "dashboard" / "dashboards" / "pg_folio.yaml"
WIDTHS = {"desktop": 1440, "phone": 400}
# The time that a chart may take. A machine that is busy with a build needs most of it for Chromium's start.
PATIENCE_MS = 90_000
# A chart that is far below the screen is not drawn before one scrolls there, so the screen is as high as the page.
TALLEST_PAGE = 9_000
MARGIN = 32  # below the last chart in a picture

# What a chart has drawn: the colours of its canvas (a blank one has one), the rows of its table, or its big number.
DRAWN = """chart => {
  const canvas = chart.querySelector('canvas');
  if (canvas) {
    const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return new Set(new Uint32Array(data.buffer)).size - 1;
  }
  const rows = chart.querySelectorAll('tbody tr').length;
  return rows || (chart.querySelector('.header-line')?.textContent ?? '').trim().length;
}"""


@dataclass
class Watch:
    """What the page fetched."""

    host: str
    rows: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def response(self, response: Response) -> None:
        """Counts the rows of each chart's query; the newest answer of a chart is the one that it draws."""
        if "/api/v1/chart/data" not in response.url or response.request.method != "POST":
            return
        form = response.request.post_data_json["form_data"]
        chart = str(form.get("slice_id", form.get("native_filter_id", "?")))
        if response.ok:
            self.rows[chart] = sum(result["rowcount"] for result in response.json()["result"])
        else:
            self.failures.append(f"the query of chart {chart}: HTTP {response.status} {response.text()[:300]}")

    def request(self, request: Request) -> None:
        """Nothing may be asked of another machine; what the content security policy stopped was not."""
        parts = urlparse(request.url)
        if parts.scheme in ("http", "https") and parts.netloc != self.host and request.failure != "csp":
            self.failures.append(f"the page asked {parts.netloc} for something: {request.failure or 'and got it'}")


def log_in(page: Page, address: str, user: str) -> None:
    page.goto(f"{address}/login/")
    page.locator("#username").fill(user)
    page.locator("#password").fill(os.environ["BI_PASSWORD"])
    page.locator("#password").press("Enter")
    page.wait_for_url(lambda url: "/login" not in url, timeout=PATIENCE_MS)


def expected_charts() -> list[str]:
    position = yaml.safe_load(DASHBOARD.read_text("utf-8"))["position"]
    return [item["meta"]["sliceName"] for item in position.values() if isinstance(item, dict) and item["type"] == "CHART"]


def fault(chart: Locator, watch: Watch, width: int) -> str | None:
    """What is wrong with a chart that has had its time, if anything is."""
    number = chart.get_attribute("data-test-chart-id")
    error = chart.locator(".ant-alert-error, [data-test=error-container], .ant-empty")
    if error.count() > 0:
        return f"it shows '{error.first.inner_text()[:300]}'"
    if watch.rows.get(number, 0) == 0:
        return "its query gave no rows"
    if chart.evaluate(DRAWN) < 1:
        return "it drew nothing"
    box = chart.bounding_box()
    if box is None or box["width"] < width / 5 or box["x"] < 0 or box["x"] + box["width"] > width:
        return f"it does not fit a screen of {width} pixels: {box}"
    return None


def look(page: Page, address: str, name: str, watch: Watch, pictures: Path) -> list[str]:
    """What is wrong with the dashboard at one width."""
    width = WIDTHS[name]
    watch.rows.clear()
    page.set_viewport_size({"width": width, "height": TALLEST_PAGE})
    page.goto(f"{address}/superset/dashboard/pg_folio/")
    faults = []
    for title in expected_charts():
        chart = page.locator("[data-test-chart-id]", has=page.get_by_text(title, exact=True))
        try:
            chart.wait_for(timeout=PATIENCE_MS)
            chart.locator("canvas, tbody tr, .header-line, .ant-alert-error, .ant-empty").first.wait_for(
                timeout=PATIENCE_MS
            )
        except TimeoutError:
            faults.append(f"'{title}': it was not drawn in {PATIENCE_MS // 1000} s")
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(2_000)  # lines and bars grow into their places
    for title in expected_charts():
        chart = page.locator("[data-test-chart-id]", has=page.get_by_text(title, exact=True))
        wrong = fault(chart, watch, width) if chart.count() == 1 else f"there are {chart.count()} of it"
        if wrong:
            faults.append(f"'{title}': {wrong}")
    boxes = [box for chart in page.locator("[data-test-chart-id]").all() if (box := chart.bounding_box())]
    bottom = max((box["y"] + box["height"] for box in boxes), default=TALLEST_PAGE) + MARGIN
    page.screenshot(path=pictures / f"superset-{name}.png", clip={"x": 0, "y": 0, "width": width, "height": bottom})
    return [f"{name}: {fault}" for fault in faults]


def main() -> None:
    address, user, pictures = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    pictures.mkdir(parents=True, exist_ok=True)
    watch = Watch(urlparse(address).netloc)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            chromium_sandbox=os.getuid() != 0,  # Chromium has no sandbox for root
        )
        page = browser.new_page()
        page.on("response", watch.response)
        page.on("requestfailed", watch.request)
        page.on("requestfinished", watch.request)
        log_in(page, address, user)
        faults = [fault for name in WIDTHS for fault in look(page, address, name, watch, pictures)]
        browser.close()
    faults += watch.failures
    if faults:
        sys.exit("\n".join(["The dashboard is not right:", *faults]))
    print(f"{len(expected_charts())} charts are right at {', '.join(f'{w} pixels' for w in WIDTHS.values())}.")


if __name__ == "__main__":
    main()
