"""When two email addresses are one mailbox. For comparing only: never write to what this returns.

Where two spellings may be one mailbox they count as one, because seeing two where there is one would break the contact
rule. So the local part is compared without case (hardly any server tells Praxis@ from praxis@) and without a `+tag`
(subaddressing, RFC 5233), and a domain is the same in Unicode and in its `xn--` form (RFC 5890). Dots in the local
part count: only one large provider ignores them.
"""

from __future__ import annotations

import unicodedata

_DOTS = str.maketrans("。．｡", "...")
"""Full stops of other scripts separate labels too (RFC 3490, 3.1)."""


def mailbox(address: str) -> str:
    """Normalise one bare address (no display name) to its key; of a text without `@` only case and form change."""
    local, at, domain = address.strip().rpartition("@")
    if not at:
        return _fold(domain)
    return f"{_without_tag(_fold(local))}@{_same_domain(domain)}"


def _fold(text: str) -> str:
    """Fold case so that canonically equal texts stay equal (Unicode, D145), composed again (NFC)."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())


def _without_tag(local: str) -> str:
    name, _, _ = local.partition("+")
    return name or local


def _same_domain(domain: str) -> str:
    wide = unicodedata.normalize("NFKC", domain.translate(_DOTS))
    labels = [_same_label(label.strip()) for label in _fold(wide).split(".")]
    while labels and not labels[-1]:
        labels.pop()
    return ".".join(labels)


def _same_label(label: str) -> str:
    """Show a punycode label in Unicode; one that is not the code of anything stays as it is."""
    if not label.startswith("xn--"):
        return label
    try:
        shown = _fold(unicodedata.normalize("NFKC", label[4:].encode("ascii").decode("punycode")))
    except (UnicodeError, ValueError, OverflowError):
        return label
    return shown if _is_name(shown) else label


def _is_name(label: str) -> bool:
    """Letters, digits, marks and hyphens, and not another code: what a registry gives out (RFC 5892)."""
    plain = all(c == "-" or unicodedata.category(c)[0] in "LMN" for c in label)
    return plain and bool(label) and not label.startswith("xn--")
