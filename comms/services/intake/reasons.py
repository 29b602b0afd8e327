"""Every code of a refusal or a warning, with the sentence a person reads."""

from __future__ import annotations

REASONS = {
    # the row
    "kind_unknown": "it is neither a therapist, a patient nor a placement request; say which with --kind",
    "not_an_object": "a row is an object with named fields",
    "not_json": "this line is not JSON",
    "not_a_list": "a list of rows is expected here",
    "malformed_quotes": "the quotation marks of this line do not match",
    "wrong_number_of_columns": "the row has more or fewer columns than the header",
    "field_given_twice": "two fields of the row say different things about the same fact; keep one",
    "given_again": "the same id stands further down; what that row says won",
    # ids and what must be right
    "id_missing": "every row needs an id",
    "not_an_id": "ids are whole numbers from 1 to 9007199254740992",
    "name_missing": "a therapist needs a last name or the name of the practice",
    "patient_missing": "a new placement request names its patient",
    "therapist_missing": "a new placement request names its therapist",
    "patient_changed": "a placement request keeps its patient; give the new pair a new id",
    "therapist_changed": "a placement request keeps its therapist; give the new pair a new id",
    "patient_deleted": "this patient was deleted; an old file does not bring anything back",
    "unknown_status": "the status is not one of the known words",
    # single facts
    "not_text": "text is expected",
    "nul": "it holds a NUL character",
    "control_characters": "it holds line breaks or control characters",
    "hidden_characters": "it holds characters that turn the direction of text or cannot be seen",
    "broken_text": "it holds half a character (an unpaired surrogate)",
    "too_long": "it is longer than its column",
    "not_a_date": "dates are JJJJ-MM-TT or TT.MM.JJJJ",
    "implausible_date": "no such date can be meant here",
    "not_yes_or_no": "only true/false, ja/nein, yes/no, 0/1",
    "not_a_number": "a whole number is expected",
    "not_a_value": "NaN, Infinity and numbers beyond all bounds are not values",
    "not_an_email": "this is not an email address",
    "several_emails": "exactly one email address per field",
    "not_a_phone_number": "this is not a phone number",
    "not_a_postal_code": "a German postal code has five digits",
    "unknown_land": "the Land is one of the 16 codes or its name",
    "unknown_salutation": "the form of address is Frau, Herr or divers",
    "unknown_language": "the language is de or en",
    "unknown_insurance_kind": "the kind of insurance is statutory, private or self",
    "not_an_icd_code": "a diagnosis is an ICD-10 code such as F32.1 G",
    "hours_unreadable": "some of the hours could not be read; the rest counts, and staff see it",
    # what became of a status
    "taken_as_open": "in progress elsewhere, but never asked from here: it counts as open",
    "already_closed": "it was closed here by an answer or a person and stays closed",
}
"""An unusable fact is left out and warned of; but one that holds a contact back (status, do_not_contact,
next_contact_possible) refuses the row: without it somebody would be contacted who must not be."""


def explain(reason: str) -> str:
    """Say a code in words."""
    return REASONS[reason]
