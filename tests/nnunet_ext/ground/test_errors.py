import copy

from nnunet_ext.ground.errors import CaseRefused, InputError


def test_a_refusal_travels_between_processes_whole() -> None:
    # multiprocessing's pools wait for ever for an exception that cannot be read on the other side.
    again = copy.copy(CaseRefused("mask-shape", "10 voxels, the image has 12"))  # by the same protocol
    assert (again.code, again.reason) == ("mask-shape", "10 voxels, the image has 12")
    assert str(again) == "mask-shape: 10 voxels, the image has 12"


def test_a_name_with_line_breaks_does_not_break_the_line() -> None:
    assert str(InputError("no column 'a\r\n b\u2028c'; found d")) == "no column 'a b c'; found d"
    assert CaseRefused("unreadable", "a\nb").reason == "a b"
