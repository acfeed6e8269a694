from datetime import date
from pathlib import Path

import pytest
from pydicom.uid import UID

from nnunet_ext.dicom_objects.identity import LONGEST_SHIFT_DAYS, Identity
from nnunet_ext.ground.errors import InputError

KEY, OTHER = bytes(32), bytes([1]) * 32


def test_one_key_gives_one_pseudonym_and_another_key_another() -> None:
    one, same, other = Identity.replaced(KEY), Identity.replaced(KEY), Identity.replaced(OTHER)
    assert one.uid("1.2.3") == same.uid("1.2.3") != other.uid("1.2.3")
    assert one.patient("4711") == same.patient("4711") != other.patient("4711")
    assert one.uid("1.2.3") != one.uid("1.2.4")
    assert "4711" not in one.patient("4711")


def test_without_a_key_nobody_can_make_the_pseudonyms_again() -> None:
    assert Identity.replaced().uid("1.2.3") != Identity.replaced().uid("1.2.3")


def test_new_identifiers_are_valid_and_uuid_derived() -> None:
    for number in range(200):
        uid = Identity.replaced(KEY).new_uid(str(number))
        assert UID(uid).is_valid
        assert uid.startswith("2.25.")
        uuid = int(uid[5:])
        assert (uuid >> 76) & 0xF == 8, "version 8 of RFC 9562"
        assert (uuid >> 62) & 0b11 == 0b10, "its variant"


def test_kept_identifiers_are_the_sources_own() -> None:
    identity = Identity.kept()
    assert (identity.uid("1.2.3"), identity.patient("4711")) == ("1.2.3", "4711")
    assert identity.date("20200229", "4711") == "20200229"


def test_an_identifier_that_is_not_allowed_cannot_be_kept() -> None:
    with pytest.raises(InputError, match="replace identities"):
        Identity.kept().uid("1.02.3")
    assert UID(Identity.replaced(KEY).uid("1.02.3")).is_valid


def test_dates_of_a_patient_move_back_together_so_that_intervals_stay() -> None:
    identity = Identity.replaced(KEY)
    first, second = (identity.date(day, "4711") for day in ("20200229", "20210301"))
    apart = [date.fromisoformat(f"{day[:4]}-{day[4:6]}-{day[6:]}") for day in (first, second)]
    assert (apart[1] - apart[0]).days == 366
    assert 1 <= (date(2020, 2, 29) - apart[0]).days <= LONGEST_SHIFT_DAYS
    assert len({identity.date("20200229", str(patient)) for patient in range(20)}) > 15


@pytest.mark.parametrize("stated", ["", "2020", "20201301", "yesterday"])
def test_what_is_no_date_is_left_empty(stated: str) -> None:
    assert Identity.replaced(KEY).date(stated, "4711") == "" == Identity.kept().date(stated, "4711")


def test_a_key_is_made_once_for_its_owner_alone_and_read_again(tmp_path: Path) -> None:
    path, out = tmp_path / "keys" / "north.key", tmp_path / "out"
    made = Identity.from_file(path, outside=out)
    assert path.stat().st_mode & 0o777 == 0o600
    assert Identity.from_file(path, outside=out) == made
    assert made.key.hex() not in repr(made)


def test_a_key_in_the_result_and_a_file_that_is_no_key_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has to be outside"):
        Identity.from_file(tmp_path / "out" / "key", outside=tmp_path / "out")
    for text in ("", "ab" * 31, "AB" * 32, "zz" * 32):
        (tmp_path / "key").write_text(text, encoding="ascii")
        with pytest.raises(InputError, match="64 hexadecimal digits"):
            Identity.from_file(tmp_path / "key", outside=tmp_path / "out")
