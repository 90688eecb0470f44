"""Reads reports for tests: JUnit XML with the parser of Python, and HTML; prints what they hold as JSON."""
import json
import sys
import xml.etree.ElementTree as tree
from html.parser import HTMLParser


def junit(text):
    def element(node):
        return {"name": node.tag, "attributes": node.attrib, "text": node.text or "", "children": [element(child) for child in node]}

    return element(tree.fromstring(text))


class Page(HTMLParser):
    """The cells of the table, the data, and every element with its attributes."""

    def __init__(self):
        super().__init__()
        self.elements, self.rows, self.data, self.open = [], [], "", []

    def handle_starttag(self, tag, attributes):
        self.elements.append([tag, dict(attributes)])
        if tag not in ("meta", "input"):
            self.open.append((tag, dict(attributes)))
        if tag == "tr":
            self.rows.append("")

    def handle_endtag(self, tag):
        assert self.open and self.open[-1][0] == tag, f"{tag} closes {self.open}"
        self.open.pop()

    def handle_data(self, text):
        if self.open and self.open[-1] == ("script", {"type": "application/json", "id": "data"}):
            self.data += text
        elif any(tag == "tr" for tag, _ in self.open):
            self.rows[-1] += text


def html(text):
    page = Page()
    page.feed(text)
    page.close()
    assert [tag for tag, _ in page.open if tag not in ("option",)] == [], page.open
    return {"elements": page.elements, "rows": page.rows, "data": json.loads(page.data)}


with open(sys.argv[2], encoding="utf-8", newline="") as file:
    print(json.dumps({"junit": junit, "html": html}[sys.argv[1]](file.read())))
