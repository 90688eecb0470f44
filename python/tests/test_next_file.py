"""Which file comes next, without a daemon."""

from __future__ import annotations

from typing import List, Union

from sessiond.next_file import ClaimedFiles, Reported, WholeFiles


def rest(files: Union[WholeFiles, ClaimedFiles]) -> List[str]:
    """All files that are still handed out."""
    handed_out = []
    while (file := files.next()) is not None:
        handed_out.append(file)
    return handed_out


def test_a_claimed_file_that_was_reported_with_another_is_not_handed_out() -> None:
    files = ClaimedFiles()
    files.attached(["a", "b", "c"])
    assert files.next() == "a"
    files.reported(["a", "b"])
    assert rest(files) == ["c"] and files.taken == ("c",)


def test_reports_that_are_newer_than_what_was_read_count() -> None:
    files = WholeFiles()
    files.replace([], ["a", "b", "c"], 1)
    assert files.next() == "a"
    files.reading()
    files.reported(Reported(["a"], ["d"], 2))
    files.reported(Reported(["c"], ["e", "a"], 3))
    files.replace(["a"], ["b", "c", "d"], 2)
    assert rest(files) == ["b", "d", "e"]
