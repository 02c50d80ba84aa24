"""The limits of recipient domains are read from one line, and a wrong one is refused clearly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.domain_limits import DomainLimit, DomainLimits


def test_a_line_names_domains_their_pace_and_how_many_may_be_on_the_wire():
    limits = DomainLimits.parse("gmail.com=20 yahoo.com=5/2\n slow.example=0.25")

    assert limits.of("gmail.com") == DomainLimit(20)
    assert limits.of("yahoo.com") == DomainLimit(5, at_once=2)
    assert limits.of("slow.example") == DomainLimit(0.25)


def test_a_domain_that_is_not_named_is_free():
    assert DomainLimits.parse("gmail.com=20").of("example.org") is None
    assert DomainLimits.parse("").of("gmail.com") is None


def test_a_star_is_for_every_domain_that_is_not_named():
    limits = DomainLimits.parse("*=50/4 gmail.com=20")

    assert limits.of("gmail.com") == DomainLimit(20)
    assert limits.of("example.org") == DomainLimit(50, at_once=4)


def test_a_subdomain_is_a_domain_of_its_own():
    assert DomainLimits.parse("example.org=2").of("mail.example.org") is None


def test_a_domain_may_be_written_in_its_own_script_and_in_any_case():
    limits = DomainLimits.parse("GMail.com=20 Bücher.example=3")

    assert limits.of("gmail.com") == DomainLimit(20)
    assert limits.of("xn--bcher-kva.example") == DomainLimit(3)


@pytest.mark.parametrize(
    "line",
    [
        "hush.example",
        "hush.example=",
        "=5",
        "hush.example=0",
        "hush.example=-1",
        "hush.example=nan",
        "hush.example=1e3",
        "hush.example=\u0663",
        "hush.example=5/",
        "hush.example=5/0",
        "hush.example=5/2/2",
        "hush.example=5/2.5",
        "hush.example=5,other.example=5",
        "hush.example = 5",
        "hush.example=5 HUSH.example=6",
        "*=5 *=6",
        "*.example.org=5",
        "user@hush.example=5",
    ],
)
def test_a_wrong_line_is_refused_in_words_that_show_nothing_of_it(line):
    with pytest.raises(ValueError, match=r"^(must|needs|names) ") as refused:
        DomainLimits.parse(line)

    assert "hush" not in str(refused.value)


@given(st.text() | st.from_regex(r"\A([a-z*.=/0-9]{1,12} ?)*\Z"))
def test_any_text_is_limits_that_can_be_kept_or_a_clear_refusal(text):
    limits, refusal = parsed(text)

    assert limits or refusal.startswith(("must ", "needs ", "names "))
    for domain, limit in limits.by_domain.items() if limits else ():
        assert domain.isascii()
        assert domain == domain.lower()
        assert limit.per_second > 0
        assert limit.at_once is None or limit.at_once >= 1


@given(
    st.dictionaries(
        st.from_regex(r"\A[a-z]{1,10}\.example\Z"),
        st.tuples(st.integers(1, 999_999), st.none() | st.integers(1, 9999)),
    )
)
def test_what_is_written_down_is_what_is_read(limits):
    line = " ".join(
        f"{domain}={rate}" if count is None else f"{domain}={rate}/{count}"
        for domain, (rate, count) in limits.items()
    )

    read = DomainLimits.parse(line)

    assert read.by_domain == {d: DomainLimit(*limit) for d, limit in limits.items()}


def parsed(text: str) -> tuple[DomainLimits | None, str]:
    try:
        return DomainLimits.parse(text), ""
    except ValueError as refused:
        return None, str(refused)
