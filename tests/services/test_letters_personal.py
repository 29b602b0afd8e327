"""What a person wrote: told as text, and ended like every letter of ours, whatever was written."""

from __future__ import annotations

import lxml.html
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comms.errors import BadInput
from comms.services.letters.hypertext import DEEPEST, LONGEST_TEXT, text_of, with_end

END = '<div id="end">Abmeldung und Impressum</div>'
MUCH = 100_000


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("Nur Text & mehr", "Nur Text & mehr\n"),
        ("<p>Guten Tag,</p><p>eine Zeile<br>noch eine</p>", "Guten Tag,\n\neine Zeile\nnoch eine\n"),
        ("<p>M&uuml;ller&nbsp;&amp; S&#246;hne</p>", "Müller & Söhne\n"),
        ("<ul><li>eins<li>zwei</ul>", "  * eins\n  * zwei\n"),
        ("<table><tr><th>Alter<td>36 bis 45<tr><td>A<td>B</table>", "Alter 36 bis 45\nA B\n"),
        ("<p>vor</p><p>&nbsp;</p><p> </p><p>nach</p>", "vor\n\nnach\n"),
        ("<html><head><title>T</title><style>p{}</style></head><body>da</body></html>", "da\n"),
        ("<p>da<script>alert(1)</script><style>p{}</style><!-- fort --></p>", "da\n"),
        ("<p style='DISPLAY : none'>fort</p><p hidden>fort</p>da", "da\n"),
        ("da<script>offen", "da\n"),
        ("da<!-- offen", "da\n"),
        ("da<style>offen", "da\n"),
        ("<?xml version='1.0' encoding='latin1'?><p>ü</p>", "ü\n"),
        ("<meta charset=latin1><p>ü</p>", "ü\n"),
        ("<p style='margin-top:100000em;padding-left:100000em'>da</p>", "da\n"),
        ("<p>a&#x200b;b&#1;</p>", "ab\n"),
    ],
)
def test_the_text_is_what_a_reader_sees(html: str, text: str) -> None:
    assert text_of(html) == text


@pytest.mark.parametrize(
    "html", [" ", "<!-- fort -->", "<img src=x>", "<script>x</script>", "<p hidden>x</p>", "<p>\n"]
)
def test_what_shows_no_word_has_no_text(html: str) -> None:
    with pytest.raises(BadInput) as refused:
        text_of(html)
    assert refused.value.where == "body_html"


@pytest.mark.parametrize("tag", ["div", "b", "table><tr><td", "span", "font"])
def test_elements_in_one_another_have_an_end(tag: str) -> None:
    for refusing in (text_of, lambda html: with_end(html, END)):
        with pytest.raises(BadInput, match=f"more than {DEEPEST} elements"):
            refusing(f"<{tag}>" * 5_000 + "x")


BOMBS = {
    "a wide cell over many rows": "<table>" + "<tr><td>" + "x" * (MUCH // 2) + "<tr><td>y" * (MUCH // 20),
    "margins of millions": "<p style='margin-top:99999em;padding-left:99999em'>x" * (MUCH // 60),
    "attributes": "<p " + " ".join(f"a{n}=1" for n in range(MUCH // 8)) + ">x",
    "brackets": "<" * MUCH,
    "hidden words": "<p hidden></p>x" * (MUCH // 15),
}


@pytest.mark.parametrize("html", BOMBS.values(), ids=BOMBS.keys())
def test_what_is_meant_to_fill_memory_stays_small(html: str) -> None:
    assert len(text_of(html)) <= LONGEST_TEXT + 1
    assert len(with_end(html, END)) < 5 * MUCH


def test_a_text_that_grows_beyond_a_letter_is_refused() -> None:
    with pytest.raises(BadInput, match=f"more than {LONGEST_TEXT} characters"):
        text_of("<ul>" * 90 + "<li>x" * (MUCH // 20))


@pytest.mark.parametrize(
    "html",
    [
        "<p>Teil</p>",
        "nur Text",
        "<html><body><p>Ganz</p></body></html>",
        "<html><body><p>Ganz</p></body></html><!-- </body> -->",
        "<p>offen<!-- </body>",
        "<div><table><tr><td>offen",
        "<p>da</p><style>offen",
        "<p>da</p><script>'</body>'",
        "<p>da</p><textarea>offen",
        "<p>da</p><select><option>offen",
        "<p>da</p><div style='display:none'>offen",
        "<frameset><frame></frameset>",
        "</body></html><p>danach",
        "<p>da</body> danach <b>und</b> noch </html> mehr",
    ],
)
def test_the_end_is_the_last_thing_in_the_body_whatever_was_left_open(html: str) -> None:
    page = lxml.html.document_fromstring(with_end(html, END))
    body = page.find("body")
    assert body is not None
    assert body[-1].get("id") == "end"
    assert body[-1].text == "Abmeldung und Impressum"


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(["<p>", "</p>", "<b>", "<!--", "-->", "</body>", "</html>", "<td>", "x", "&", "<style>"]))
)
def test_the_end_always_shows(parts: list[str]) -> None:
    html = "da " + "".join(parts)
    assert text_of(with_end(html, END)).rstrip().endswith("Abmeldung und Impressum")


def test_the_words_and_styles_of_a_person_stay() -> None:
    page = (
        "<html><head><style>p { color: red }</style></head><body class='x'><p>Größe &amp; <b>mehr</b></p></body></html>"
    )
    ended = with_end(page, END)
    for kept in ("<style>p { color: red }</style>", '<body class="x">', "<p>Größe &amp; <b>mehr</b></p>"):
        assert kept in ended
