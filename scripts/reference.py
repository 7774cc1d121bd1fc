"""The book's reference as Markdown on standard output: what docs/reference.sql says on standard input, and for each function
the first statement of the documentation that calls it. Fails where something has no comment."""

import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
CONTEXTS = {"user": "anybody", "superuser": "a superuser", "postmaster": "at server start", "sighup": "on reload"}


def statements():
    """Every statement of the documentation's SQL blocks, with its page."""
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for block in re.findall(r"```sql\n(.*?)```", page.read_text(), re.DOTALL):
            for statement in re.split(r";[^\n]*\n", block):
                if statement.strip():
                    yield page.name, statement.strip()


def example(name, known):
    """The shortest statement that calls a function, of few lines if there is one."""
    calls = [(len(s.splitlines()) > 6, len(s), s) for _, s in known if re.search(rf"(?<![a-z_]){name}\s*\(", s)]
    return min(calls)[2] if calls else None


def cell(text):
    """Text in a table."""
    return (text or "").replace("|", "\\|").replace("\n", " ")


def functions(all_of_them, known):
    """A heading for each name, a signature and a comment for each function of it, an example."""
    for name in dict.fromkeys(f["name"] for f in all_of_them):
        yield f"### {name}\n"
        comments = set()
        for function in (f for f in all_of_them if f["name"] == name):
            call = f"{'CALL ' if function['kind'] == 'p' else ''}{name}({function['arguments']})"
            result = f"\n    -> {function['result']}" if function["result"] else ""
            yield f"```text\n{call}{result}\n```\n"
            if function["comment"] not in comments:
                yield f"{function['comment']}\n"
            comments.add(function["comment"])
        found = example(name, known)
        if found:
            yield f"```sql\n{found};\n```\n"


def relations(all_of_them):
    """A heading and a table of columns for each table and view."""
    for relation in all_of_them:
        yield f"### {relation['name']}\n\n{relation['comment']}\n\n| column | type | meaning |\n|---|---|---|"
        for column in relation["columns"]:
            yield f"| `{column['name']}` | {column['type']} | {cell(column['comment'])} |"
        yield ""


def main():
    found = json.load(sys.stdin)
    bare = [x["name"] for kind in found.values() for x in kind if not x["comment"]]
    if bare:
        sys.exit(f"without a comment: {', '.join(bare)}")
    print("# Reference\n\nMade by `make book` from the comments that `\\df+` and `\\d+` show. Names are in the schema `folio`.\n")
    print("## Functions\n")
    print("\n".join(functions(found["functions"], list(statements()))))
    print("## Tables and views\n")
    print("\n".join(relations(found["relations"])))
    print("## Settings\n\n| setting | default | set by | meaning |\n|---|---|---|---|")
    for setting in found["settings"]:
        default = " ".join(filter(None, [setting["default"], setting["unit"]]))
        context = CONTEXTS.get(setting["context"], setting["context"])
        print(f"| `{setting['name']}` | {cell(default)} | {context} | {cell(setting['comment'])} |")


main()
