import base64
import zlib

import numpy as np
import pytest

from ccrcc_model.patient.grey_codes import KNOTS, as_text, decode_hu, deflate_image, deflate_mask, encode_hu


def test_soft_tissue_is_kept_within_half_a_step_of_3_hu() -> None:
    hu = np.arange(-200, 341, dtype=np.int16)
    assert np.abs(decode_hu(encode_hu(hu)) - hu).max() <= 1.5


@pytest.mark.parametrize(("hu", "code"), [(-1024, 0), (-3000, 0), (3071, 255), (20000, 255)])
def test_values_beyond_the_ends_get_the_code_of_the_end(hu: int, code: int) -> None:
    assert encode_hu(np.array([hu], np.int32))[0] == code


def test_codes_never_fall_as_hu_rise_and_meet_the_knots() -> None:
    codes = encode_hu(np.arange(-1024, 3072, dtype=np.int16)).astype(int)
    assert (np.diff(codes) >= 0).all()
    assert [int(encode_hu(np.array([hu]))[0]) for _, hu in KNOTS] == [code for code, _ in KNOTS]


def test_an_image_is_restored_by_summing_along_x_modulo_256() -> None:
    codes = np.random.default_rng(0).integers(0, 256, (3, 4, 5), dtype=np.uint8)
    kept = np.frombuffer(zlib.decompress(deflate_image(codes)), np.uint8).reshape(3, 4, 5)
    assert np.array_equal(np.cumsum(kept, axis=2, dtype=np.uint8), codes)


def test_a_mask_has_a_bit_a_voxel_and_labels_have_a_byte() -> None:
    mask = np.zeros((1, 2, 5), bool)
    mask[0, 0, 0] = mask[0, 1, 4] = True
    assert zlib.decompress(deflate_mask(mask)) == bytes([0b10000000, 0b01000000])
    assert zlib.decompress(deflate_mask(np.array([[[0, 3]]], np.uint8))) == bytes([0, 3])


def test_text_is_base64() -> None:
    assert base64.b64decode(as_text(b"\x00\xff<")) == b"\x00\xff<"
