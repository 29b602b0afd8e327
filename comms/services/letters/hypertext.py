"""HTML that a person wrote: read with bounds, told as text, and written with something at its end.

What is read here may be meant ill: elements in elements without end, widths of millions, tables that fill memory.
"""

from __future__ import annotations

import re

import lxml.html
from inscriptis.css_profiles import CSS_PROFILES
from inscriptis.html_engine import Inscriptis
from inscriptis.model.config import ParserConfig
from lxml import etree

from comms.errors import BadInput

WHERE = "body_html"
DEEPEST = 200
"""Elements in elements; letters have less than 60, and the work below calls itself once a level."""
LONGEST_TEXT = 100_000

_UNSEEN = "script, style, head, title, template, noscript, iframe, object, svg, math, textarea, select"
_NEVER_TOLD = tuple(_UNSEEN.split(", "))
_HIDDEN = re.compile(r"display\s*:\s*none", re.IGNORECASE)
_AS_BLOCKS = {"table": "div", "thead": "div", "tbody": "div", "tfoot": "div", "tr": "div", "caption": "div"}
_AS_WORDS = {"td": "span", "th": "span"}
_KEPT = ("start",)
_GAPS = re.compile(r"\n[ \t\n]*\n")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\ud800-\udfff]")
_TOO_DEEP = etree.XPath("/*" * (DEEPEST + 1))
_CONFIG = ParserConfig(css=CSS_PROFILES["strict"])


def read_html(html: str) -> lxml.html.HtmlElement:
    """Read a document, or a fragment of one, as a document; BadInput for what no letter looks like."""
    parser = lxml.html.HTMLParser(encoding="utf-8", no_network=True, huge_tree=False)
    try:
        tree = lxml.html.document_fromstring(html.encode(), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError):
        raise BadInput("says nothing", where=WHERE) from None
    if _TOO_DEEP(tree):
        raise BadInput(f"has more than {DEEPEST} elements in one another", where=WHERE)
    return tree


def text_of(html: str) -> str:
    """Tell what a reader would see: no scripts, no styles, nothing hidden; cells of a table stand in one line.

    BadInput where that is nothing, or more than a letter has.
    """
    tree = read_html(html)
    _leave_out_unseen(tree)
    _simplify(tree)
    told = _CONTROLS.sub("", Inscriptis(tree, _CONFIG).get_text())
    text = _GAPS.sub("\n\n", "\n".join(line.rstrip() for line in told.splitlines())).strip("\n")
    if not text.strip():
        raise BadInput("holds no text; give body_text too", where=WHERE)
    if len(text) > LONGEST_TEXT:
        raise BadInput(f"holds more than {LONGEST_TEXT} characters of text", where=WHERE)
    return text + "\n"


def _leave_out_unseen(tree: lxml.html.HtmlElement) -> None:
    hidden = [element for element in tree.iter(etree.Element) if _is_hidden(element)]
    for element in hidden:
        if element.getparent() is not None:
            element.drop_tree()


def _is_hidden(element: lxml.html.HtmlElement) -> bool:
    if element.tag in _NEVER_TOLD or "hidden" in element.attrib:
        return True
    return bool(_HIDDEN.search(element.get("style", "")))


def _simplify(tree: lxml.html.HtmlElement) -> None:
    """Take away what multiplies: a table is as wide as its widest cell in every row, a margin is a hundred lines."""
    for element in tree.iter(etree.Element):
        kept = {name: element.get(name) for name in _KEPT if name in element.attrib}
        element.attrib.clear()
        element.attrib.update(kept)
        if element.tag in _AS_WORDS:
            element.tag = _AS_WORDS[element.tag]
            element.tail = f" {element.tail or ''}"
        else:
            element.tag = _AS_BLOCKS.get(element.tag, element.tag)


def with_end(html: str, end: str) -> str:
    """Write the document with `end` (HTML of ours) as the last thing in its body, whatever the person left open."""
    tree = read_html(html)
    body = tree.find("body")
    if body is None:
        body = etree.SubElement(tree, "body")
    _take_in_what_follows(body)
    body.append(lxml.html.fragment_fromstring(end))
    return str(lxml.html.tostring(tree, encoding="unicode", doctype="<!DOCTYPE html>"))


def _take_in_what_follows(body: lxml.html.HtmlElement) -> None:
    """Words after the end of the body are shown at its end."""
    if body.tail:
        late = etree.SubElement(body, "span")
        late.text, body.tail = body.tail, None
    for late in list(body.itersiblings()):
        body.append(late)
