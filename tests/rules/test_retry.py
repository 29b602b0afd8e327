"""What mail servers say in the wild, and what becomes of the email. Texts are shortened; addresses are invented."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comms.rules.policy import SendingPolicy
from comms.rules.replies import Fault, Phase, Reply, read_enhanced, read_word
from comms.rules.retry import JITTER, RETRY_AFTER, Kind, Tried, classify, decide, next_attempt_at

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
POLICY = SendingPolicy()

SAID = [
    # Postfix
    ("rcpt", "450 4.2.0 <a@b.example>: Recipient address rejected: Greylisted", "message_transient"),
    ("rcpt", "450 4.1.1 <a@b.example>: Recipient address rejected: unverified address", "message_transient"),
    ("rcpt", "450 4.1.2 <a@b.example>: Recipient address rejected: Domain not found", "message_transient"),
    ("rcpt", "450 4.7.1 Client host rejected: cannot find your hostname", "message_transient"),
    ("rcpt", "451 4.3.0 <a@b.example>: Temporary lookup failure", "message_transient"),
    ("rcpt", "451 4.3.5 Server configuration problem", "message_transient"),
    ("rcpt", "550 5.1.1 <a@b.example>: Recipient address rejected: User unknown in local recipient table",
     "permanent_address"),
    ("rcpt", "550 5.1.2 <a@b.example>: Recipient address rejected: Domain not found", "permanent_address"),
    ("rcpt", "556 5.1.10 <a@b.example>: Recipient address rejected: Domain does not accept mail (nullMX)",
     "permanent_address"),
    ("rcpt", "501 5.1.3 Bad recipient address syntax", "permanent_address"),
    ("rcpt", "554 5.7.1 <a@b.example>: Relay access denied", "configuration"),
    ("rcpt", "454 4.7.1 <a@b.example>: Relay access denied", "configuration"),
    ("rcpt", "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org", "policy"),
    ("rcpt", "452 4.5.3 Error: too many recipients", "message_transient"),
    ("rcpt", "503 5.5.1 Error: need MAIL command", "configuration"),
    ("mail", "553 5.7.1 <s@c.example>: Sender address rejected: not owned by user app", "configuration"),
    ("mail", "530 5.7.0 Must issue a STARTTLS command first", "configuration"),
    ("mail", "452 4.3.1 Insufficient system storage", "channel_transient"),
    ("mail", "552 5.3.4 Message size exceeds fixed limit", "permanent_content"),
    ("mail", "450 4.1.8 <s@c.example>: Sender address rejected: Domain not found", "channel_transient"),
    ("data", "421 4.4.2 mail.b.example Error: timeout exceeded", "channel_transient"),
    ("connect", "421 4.7.0 mail.b.example Error: too many connections from 192.0.2.1", "channel_transient"),
    ("content", "552 5.3.4 Message size exceeds fixed limit", "permanent_content"),
    ("content", "451 4.3.0 Error: queue file write error", "message_transient"),
    ("content", "452 4.3.1 Insufficient system storage", "message_transient"),
    ("content", "550 5.7.1 Rejected by content filter", "policy"),
    ("content", "250 2.0.0 Ok: queued as 4FxYz1", "accepted"),
    # Exchange Online
    ("rcpt", "550 5.4.1 Recipient address rejected: Access denied. AS(201806281)", "permanent_address"),
    ("rcpt", "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
     "permanent_address"),
    ("rcpt", "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain", "configuration"),
    ("rcpt", "550 5.7.64 TenantAttribution; Relay Access Denied", "configuration"),
    ("rcpt", "550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required", "policy"),
    ("rcpt", "451 4.7.500 Server busy. Please try again later", "message_transient"),
    ("rcpt", "451 4.7.650 The mail server has been temporarily rate limited due to IP reputation",
     "message_transient"),
    ("mail", "530 5.7.57 Client not authenticated to send mail", "configuration"),
    ("mail", "501 5.1.7 Invalid address", "configuration"),
    ("content", "550 5.7.60 SMTP; Client does not have permissions to send as this sender", "configuration"),
    ("content", "550 5.7.708 Service unavailable. Access denied, traffic not accepted from this IP", "configuration"),
    ("content", "554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException", "message_transient"),
    ("content", "550 5.7.509 Access denied, sending domain does not pass DMARC verification", "policy"),
    ("connect", "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded", "channel_transient"),
    ("content", "451 4.3.2 Please try again later", "message_transient"),
    # Gmail
    ("rcpt", "550-5.1.1 The email account that you tried to reach does not exist.", "permanent_address"),
    ("rcpt", "550 5.2.1 The email account that you tried to reach is disabled.", "permanent_address"),
    ("rcpt", "452 4.2.2 The email account that you tried to reach is over quota.", "message_transient"),
    ("rcpt", "552 5.2.2 The email account that you tried to reach is over quota.", "message_transient"),
    ("rcpt", "450 4.2.1 The user you are trying to contact is receiving mail too quickly.", "message_transient"),
    ("content", "421 4.7.28 Our system has detected an unusual rate of unsolicited mail.", "message_transient"),
    ("content", "550 5.7.26 This mail has been blocked because the sender is unauthenticated.", "policy"),
    ("content", "550 5.7.1 Our system has detected that this message is likely unsolicited mail.", "policy"),
    ("content", "552 5.7.0 This message was blocked because its content presents a security issue.", "policy"),
    ("mail", "550 5.4.5 Daily user sending limit exceeded.", "channel_transient"),
    ("auth", "535 5.7.8 Username and Password not accepted.", "configuration"),
    ("auth", "534 5.7.9 Application-specific password required.", "configuration"),
    ("auth", "454 4.7.0 Too many login attempts, please try again later.", "channel_transient"),
    # GMX and WEB.DE, T-Online, Strato
    ("connect", "554-gmx.net (mxgmx016) Nemesis ESMTP Service not available. IP address is block listed.",
     "configuration"),
    ("connect", "421 gmx.net (mxgmx016) Nemesis ESMTP Service not available. Please try again later.",
     "channel_transient"),
    ("rcpt", "550 Requested action not taken: mailbox unavailable", "permanent_address"),
    ("rcpt", "552 Requested mail action aborted: exceeded storage allocation. Quota exceeded.", "message_transient"),
    ("content", "554 Transaction failed. Reject due to policy restrictions.", "policy"),
    ("connect", "554 IP=192.0.2.1 - A problem occurred. (Ask your postmaster for help)", "configuration"),
    ("rcpt", "550 5.1.1 unknown user (t-online)", "permanent_address"),
    ("rcpt", "450 4.7.1 <a@b.example>: Recipient address rejected: Policy Rejection- Quota Exceeded.",
     "message_transient"),
    ("mail", "550 5.7.1 Refused by local policy. No SPF record.", "configuration"),
    # others, and bare codes
    ("rcpt", "451 Temporary greylisted, please try again in 5 minutes", "message_transient"),
    ("rcpt", "451 4.7.1 Greylisting in action, please come back later", "message_transient"),
    ("rcpt", "550 relaying denied", "configuration"),
    ("rcpt", "550 Message rejected because 192.0.2.1 is blacklisted", "policy"),
    ("rcpt", "551 User not local; please try elsewhere", "permanent_address"),
    ("rcpt", "553 sorry, no mailbox here by that name", "permanent_address"),
    ("rcpt", "554 Transaction failed", "policy"),
    ("rcpt", "550 5.7.17 Mailbox owner has changed", "permanent_address"),
    ("rcpt", "421 Service not available, closing transmission channel", "channel_transient"),
    ("rcpt", "452 4.3.1 Insufficient system resources", "channel_transient"),
    ("rcpt", "553 5.6.7 SMTPUTF8 is required", "permanent_address"),
    ("content", "554 5.6.0 Corrupt message content", "permanent_content"),
    ("content", "500 5.5.2 line too long", "permanent_content"),
    ("content", "550 5.1.1 user unknown", "permanent_address"),
    ("content", "554 Message rejected as spam", "policy"),
    ("content", "554 Error: no valid recipients", "permanent_content"),
    ("content", "250 ok", "accepted"),
    ("content", "354 go on", "unknown"),
    ("data", "451 4.7.1 Service unavailable - try again later", "message_transient"),
    ("data", "503 bad sequence of commands", "configuration"),
    ("connect", "554 No SMTP service here", "configuration"),
    ("connect", "521 5.3.2 this host accepts no mail", "configuration"),
    ("tls", "454 4.7.0 TLS not available due to temporary reason", "channel_transient"),
    ("tls", "502 5.5.1 command not implemented", "configuration"),
    ("auth", "538 5.7.11 Encryption required for requested authentication mechanism", "configuration"),
    ("auth", "421 4.7.0 try again later", "channel_transient"),
]  # fmt: skip


def as_reply(phase: str, said: str) -> Reply:
    code, text = int(said[:3]), said[4:]
    return Reply(Phase(phase), code, read_enhanced(code, text), read_word(code, text))


def test_the_table_is_long_enough_to_mean_something() -> None:
    assert len(SAID) >= 60


@pytest.mark.parametrize(("phase", "said", "kind"), SAID)
def test_replies_of_the_wild_mean_what_a_postmaster_would_say(phase: str, said: str, kind: str) -> None:
    assert classify(as_reply(phase, said)) == kind


@pytest.mark.parametrize(
    ("phase", "fault", "kind"),
    [
        ("content", "timeout", "unknown"),
        ("content", "closed", "unknown"),
        ("content", "garbage", "unknown"),
        ("data", "closed", "channel_transient"),
        ("data", "mark_refused", "returned"),
        ("connect", "refused", "channel_transient"),
        ("connect", "dns", "channel_transient"),
        ("connect", "not_started", "returned"),
        ("mail", "timeout", "channel_transient"),
        ("tls", "tls_missing", "configuration"),
        ("tls", "certificate", "configuration"),
        ("tls", "injected", "configuration"),
        ("auth", "auth_unsafe", "configuration"),
        ("rcpt", "smtputf8_missing", "permanent_address"),
        ("mail", "too_large", "permanent_content"),
    ],
)
def test_silence_is_doubt_after_the_dot_and_nowhere_else(phase: str, fault: str, kind: str) -> None:
    assert classify(Reply(Phase(phase), fault=Fault(fault))) == kind


replies = st.builds(
    Reply,
    phase=st.sampled_from(Phase),
    code=st.none() | st.integers(200, 559),
    enhanced=st.none() | st.from_regex(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}", fullmatch=True),
    fault=st.none() | st.sampled_from(Fault),
)


@given(replies)
def test_every_reply_means_something_and_only_the_dot_can_be_accepted_or_doubtful(reply: Reply) -> None:
    kind = classify(reply)

    if kind in (Kind.ACCEPTED, Kind.UNKNOWN):
        assert reply.phase is Phase.CONTENT
    if reply.phase is Phase.CONTENT and reply.code is None:
        assert kind is Kind.UNKNOWN


@given(replies)
def test_a_definite_refusal_is_never_doubt(reply: Reply) -> None:
    if reply.code and reply.code >= 400:
        assert classify(reply) not in (Kind.UNKNOWN, Kind.ACCEPTED)


@given(replies)
def test_after_the_dot_no_message_can_make_the_channel_rest(reply: Reply) -> None:
    assert classify(replace(reply, phase=Phase.CONTENT)) is not Kind.CHANNEL_TRANSIENT


@pytest.mark.parametrize(
    ("code", "text", "found"),
    [
        (550, "5.1.1 no", "5.1.1"),
        (550, "5.1.1", "5.1.1"),
        (450, "5.1.1 contradicts itself", None),
        (550, "said 5.1.1 in passing", None),
        (550, "5.1.1000 is none", None),
        (250, "2.0.0 Ok", "2.0.0"),
    ],
)
def test_an_enhanced_code_stands_first_and_agrees_with_the_code(code: int, text: str, found: str | None) -> None:
    assert read_enhanced(code, text) == found


def test_a_reply_shows_codes_and_words_only() -> None:
    reply = as_reply("rcpt", "554 5.7.1 <anna@praxis.example>: Relay access denied")

    assert str(reply) == "rcpt 554 5.7.1 relay_denied"


def retries(email_id: int = 7, hours: int = 72) -> list[datetime]:
    """Every attempt after the first, if each is refused the moment it is made."""
    found: list[datetime] = []
    at, first = NOW, NOW
    while again := next_attempt_at(email_id, len(found) + 1, first, at, timedelta(hours=hours)):
        found.append(again)
        at = again
    return found


def test_pauses_grow_as_the_table_says_within_a_fifth() -> None:
    times = [NOW, *retries()]
    pauses = [later - earlier for earlier, later in pairwise(times)]

    for pause, planned in zip(pauses[:-1], [*RETRY_AFTER, *[RETRY_AFTER[-1]] * 50], strict=False):
        assert planned * (1 - JITTER) <= pause <= planned * (1 + JITTER)


def test_the_last_try_stands_at_the_end_of_the_time_and_then_it_is_over() -> None:
    assert retries()[-1] == NOW + timedelta(hours=72)
    assert next_attempt_at(7, 30, NOW, NOW + timedelta(hours=72), timedelta(hours=72)) is None


@given(st.integers(1, 10**9), st.integers(1, 40))
def test_the_same_refusal_has_the_same_next_time_everywhere(email_id: int, retry: int) -> None:
    first, second = (next_attempt_at(email_id, retry, NOW, NOW, timedelta(hours=72)) for _ in range(2))

    assert first == second
    assert first is not None
    assert first > NOW


def test_emails_that_were_refused_together_do_not_come_back_together() -> None:
    assert len({next_attempt_at(id_, 3, NOW, NOW, timedelta(hours=72)) for id_ in range(100)}) == 100


TRIED = Tried(email_id=7, retry_count=0, first_attempt_at=NOW)


@pytest.mark.parametrize(
    ("phase", "said", "verb", "burns"),
    [
        ("content", "250 ok", "accept", False),
        ("rcpt", "451 4.7.1 Greylisted", "defer", True),
        ("rcpt", "550 5.1.1 unknown", "refuse", False),
        ("content", "554 5.6.0 corrupt", "refuse", False),
        ("content", "550 5.7.1 spam", "refuse", False),
        ("mail", "530 5.7.0 log in", "defer", False),
        ("mail", "421 closing", "defer", False),
        ("content", "354 what", "lose", False),
    ],
)
def test_every_kind_leads_to_its_move(phase: str, said: str, verb: str, burns: bool) -> None:
    decision = decide(as_reply(phase, said), TRIED, NOW, POLICY)

    assert (decision.verb, decision.burns_attempt) == (verb, burns)


def test_a_deferral_after_the_time_is_used_up_is_a_refusal_that_keeps_its_kind() -> None:
    tried = Tried(email_id=7, retry_count=20, first_attempt_at=NOW - POLICY.give_up_after)

    decision = decide(as_reply("rcpt", "451 4.7.1 Greylisted"), tried, NOW, POLICY)

    assert (decision.verb, decision.kind) == ("refuse", Kind.MESSAGE_TRANSIENT)


def test_trouble_of_the_relay_waits_for_the_end_of_its_rest_however_old_the_email_is() -> None:
    tried = Tried(email_id=7, retry_count=3, first_attempt_at=NOW - timedelta(days=30))

    decision = decide(Reply(Phase.CONNECT, fault=Fault.REFUSED), tried, NOW, POLICY)

    assert (decision.verb, decision.next_attempt_at) == ("defer", NOW + POLICY.breaker_pause)


def test_what_was_not_tried_stays_as_due_as_it_was() -> None:
    assert decide(Reply(Phase.DATA, fault=Fault.MARK_REFUSED), TRIED, NOW, POLICY).next_attempt_at is None
