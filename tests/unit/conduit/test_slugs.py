"""Slugs: what an article is called in an address."""

from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conduit.articles.slugs import MAX_LENGTH, slug_of, slugs_for


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("How to train your dragon", "how-to-train-your-dragon"),
        ("  A  --  b?!  ", "a-b"),
        ("Ünïcode, Straße & Ελλάδα", "ünïcode-straße-ελλάδα"),
        ("हिन्दी में", "हिन्दी-में"),
        ("日本語 タイトル", "日本語-タイトル"),
        ("Ⅳ ﬁles ＡＢＣ １２", "iv-files-abc-12"),
        ("e\u0301te\u0301", "été"),
        ("\u2764\ufe0f\u2764\ufe0f", "article"),
        ("../..//%2e%00?#", "2e-00"),
        ("___", "article"),
        ("", "article"),
        ("x" * 200, "x" * 100),
        ("x" * 99 + " yz", "x" * 99),
    ],
)
def test_a_slug_is_the_words_of_the_title(title: str, slug: str) -> None:
    """Letters and digits of any script with their marks, in one spelling; nothing that an address eats."""
    assert slug_of(title) == slug


@given(st.text(max_size=250))
def test_a_slug_of_any_title_fits_into_an_address(title: str) -> None:
    """Never empty, never longer than it may be; the same for a title that differs in case or spelling."""
    slug = slug_of(title)
    assert 1 <= len(slug) <= MAX_LENGTH
    assert not set(slug) & set(" /?#%&+\\\0\n")
    assert "--" not in slug
    assert slug == slug.strip("-")
    assert slug == slug_of(normalize("NFD", title)) == slug_of(f" {title}!")


def test_a_slug_that_is_taken_gets_a_random_end() -> None:
    """What stands at the same place of an address is taken from the start."""
    plain, *others = slugs_for("A title")
    assert plain == "a-title"
    assert len({*others}) == len(others) == 5
    assert {each[:8] for each in others} == {"a-title-"}
    assert {len(each) for each in others} == {14}
    assert {each[:5] for each in slugs_for("Feed")} == {"feed-"}
