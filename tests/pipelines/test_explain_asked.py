"""What score is asked for, as it is written."""

import pytest

from boda.errors import Refused
from boda.pipelines.explaining.asked import Asked, asked_score


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("class:281", Asked("class", "", "281")),
        ("class:tabby, tabby cat", Asked("class", "", "tabby, tabby cat")),
        ("head:merger", Asked("head", "merger")),
        ("head:merger:yes", Asked("head", "merger", "yes")),
        ("vote:zoo:smooth_yes", Asked("head", "zoo", "smooth_yes")),
        ("cluster:kmeans-10:3", Asked("cluster", "kmeans-10", "3")),
        ("cluster:kmeans-10", Asked("cluster", "kmeans-10")),
        ("like:cats/a:b.jpg", Asked("like", "cats/a:b.jpg")),
        ("text:a dog: asleep", Asked("text", "a dog: asleep")),
        ("channel:layer4.1.relu:7", Asked("channel", "layer4.1.relu", "7")),
    ],
)
def test_a_score_is_written_in_one_line(written, meant):
    """Its kind, of what, and which of its answers."""
    assert asked_score(written, None, None) == meant


def test_names_may_have_colons_where_they_are_known():
    """The longest known name counts."""
    known = ["a", "a:b", "a:b:c"]
    assert asked_score("head:a:b", None, None, known) == Asked("head", "a:b")
    assert asked_score("head:a:b:yes", None, None, known) == Asked("head", "a:b", "yes")
    assert asked_score("head:a:b:yes", None, None) == Asked("head", "a:b", "yes")
    assert asked_score("head:x:b:yes", None, None, known) == Asked("head", "x:b", "yes")


def test_head_and_class_are_short_for_a_score():
    """Nothing at all is the network's likeliest class."""
    assert asked_score(None, None, None) == Asked("class")
    assert asked_score(None, None, "281") == Asked("class", "", "281")
    assert asked_score(None, "merger", "yes") == Asked("head", "merger", "yes")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("gradient", None, None), "no score"),
        (("head:", None, None), "no score"),
        (("vote:zoo", None, None), "vote:NAME:ANSWER"),
        (("channel:7", None, None), "channel:LAYER:INDEX"),
        (("head:a", "b", None), "leave out head and class"),
        (("class:1", None, "2"), "leave out head and class"),
    ],
)
def test_what_is_no_score_is_refused(given, words):
    """With the forms that there are, or what is too much."""
    with pytest.raises(Refused, match=words):
        asked_score(*given)
