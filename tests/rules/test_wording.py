from comms.rules.contact import Reason
from comms.rules.wording import explain


def test_every_reason_for_not_contacting_somebody_has_plain_words() -> None:
    assert [reason for reason in Reason if explain(reason) == reason.replace("_", " ")] == []


def test_an_unknown_code_is_spelt_out() -> None:
    assert explain("outside_phone_hours") == "outside phone hours"
