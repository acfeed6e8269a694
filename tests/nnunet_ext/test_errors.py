import copy

from nnunet_ext.errors import CaseRefused


def test_a_refusal_travels_between_processes_whole() -> None:
    # multiprocessing's pools wait for ever for an exception that cannot be read on the other side.
    again = copy.copy(CaseRefused("mask-shape", "10 voxels, the image has 12"))  # by the same protocol
    assert (again.code, again.reason) == ("mask-shape", "10 voxels, the image has 12")
    assert str(again) == "mask-shape: 10 voxels, the image has 12"
