"""Every link of the project's Markdown files to one of its files, and to a heading in it, leads somewhere; every page of docs/
is in the book. Links to other sites are not followed."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
GENERATED = {ROOT / "docs" / "reference.md"}  # make book


def anchors(page):
    """The anchors of a page's headings, as GitHub and mdBook make them."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for heading in re.findall(r"^#+ +(.*)$", text, re.MULTILINE):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        yield re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def problems():
    """What leads nowhere, a line each."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in listed.stdout.split("\n")[:-1]:
        page = ROOT / name
        text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
        for link in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"[a-z]+:", link):
                continue
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            if target in GENERATED:
                continue
            if not target.exists():
                yield f"{name}: {link} is not there"
            elif anchor and target.suffix == ".md" and anchor not in set(anchors(target)):
                yield f"{name}: {link} names no heading of {target.name}"
    summary = (ROOT / "docs" / "SUMMARY.md").read_text()
    for page in sorted((ROOT / "docs").glob("*.md")):
        if page.name != "SUMMARY.md" and f"({page.name})" not in summary:
            yield f"docs/SUMMARY.md: {page.name} is not in the book"


found = list(problems())
print("\n".join(found), file=sys.stderr)
sys.exit(1 if found else 0)
