"""Two spellings of one mailbox give one key."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from comms.rules.addresses import mailbox


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("praxis@linde.example", "  Praxis@LINDE.example \n"),
        ("andrea@müller.example", "andrea@xn--mller-kva.example"),
        ("andrea@müller.example", "Andrea@XN--MLLER-KVA.example"),
        ("jürgen@post.example", unicodedata.normalize("NFD", "Jürgen@post.example")),
        ("praxis@linde.example", "praxis+termine@linde.example"),
        ("praxis@linde.example", "praxis+a+b@linde.example"),
        ("praxis@linde.example", "praxis@linde.example."),
        ("praxis@linde.example", "praxis@linde。example"),
        ("praxis@linde.example", "praxis@ｌｉｎｄｅ.example"),
        ("info@straße.example", "info@xn--strae-oqa.example"),
        ("info@straße.example", "info@strasse.example"),
    ],
)
def test_spellings_of_one_mailbox_are_one(one: str, other: str) -> None:
    assert mailbox(one) == mailbox(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("praxis@linde.example", "praxis@linden.example"),
        ("andrea.meier@post.example", "andreameier@post.example"),
        ("andrea@müller.example", "andrea@mueller.example"),
        ("andrea@a.example", "andrea@b.a.example"),
        ("+a@post.example", "+b@post.example"),
        ("a@b@post.example", "b@post.example"),
    ],
)
def test_different_mailboxes_stay_different(one: str, other: str) -> None:
    assert mailbox(one) != mailbox(other)


@pytest.mark.parametrize(
    "broken", ["a@xn--.example", "a@xn--99999999999999.example", "a@xn--ü.example", "@", "", "xn--"]
)
def test_what_is_no_address_is_returned_and_never_raised(broken: str) -> None:
    assert isinstance(mailbox(broken), str)


_odd = st.text(max_size=30) | st.text("aAßüÜİıſﬁͅ+@.-xnXN1。 ", max_size=20)


@given(_odd, _odd)
@example("", "xn--xn--a--")
@example("\u0345\u0391\u0301", "ᾳ")
def test_normalising_twice_is_normalising_once(local: str, domain: str) -> None:
    key = mailbox(f"{local}@{domain}")

    assert mailbox(key) == key


@given(st.text("abcäöüßABCÄÖÜ.-_+1", min_size=1, max_size=20), st.text("abcäöüABCÄÖÜ-1", min_size=1, max_size=20))
def test_case_and_composition_never_matter(local: str, domain: str) -> None:
    address = f"{local}@{domain}.example"
    variants = {address.upper(), address.lower(), unicodedata.normalize("NFD", address), f" {address} "}

    assert {mailbox(variant) for variant in variants} == {mailbox(address)}


@given(st.text("abcdefäöüé-1", min_size=2, max_size=20).filter(lambda label: not label.isascii()))
def test_a_domain_and_its_punycode_are_one(label: str) -> None:
    coded = "xn--" + label.encode("punycode").decode("ascii")

    assert mailbox(f"a@{coded}.example") == mailbox(f"a@{label}.example")
