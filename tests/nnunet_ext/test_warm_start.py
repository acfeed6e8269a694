from pathlib import Path
from typing import Any

import pytest

from nnunet_ext.ground.errors import InputError

torch = pytest.importorskip("torch")
pytest.importorskip("nnunetv2")


def network(channels: int = 4, classes: int = 3) -> Any:
    """Return a small network whose layers are named as in nnU-Net."""
    torch.manual_seed(channels)
    made = torch.nn.Module()
    made.encoder = torch.nn.Sequential(torch.nn.Conv3d(1, channels, 3), torch.nn.Conv3d(channels, 4 * channels, 3))
    made.decoder = torch.nn.Module()
    made.decoder.seg_layers = torch.nn.ModuleList([torch.nn.Conv3d(4 * channels, classes, 1)])
    return made


def save(file: Path, weights: Any) -> Path:
    content = {"network_weights": weights, "trainer_name": "nnUNetTrainer", "init_args": {"configuration": "3d_fullres"}}
    torch.save(content | {"inference_allowed_mirroring_axes": (0, 1, 2)}, file)
    return file


def test_layers_that_fit_are_taken_and_the_last_start_anew(tmp_path: Path) -> None:
    from nnunet_ext.warm_start import warm_start

    other, own = network(), network()
    with torch.no_grad():
        for value in other.parameters():
            value.fill_(0.25)
    last = own.decoder.seg_layers[0].weight.clone()
    said = warm_start(own, save(tmp_path / "checkpoint_final.pth", other.state_dict()))
    assert all((value == 0.25).all() for value in own.encoder.parameters())
    assert torch.equal(own.decoder.seg_layers[0].weight, last)
    assert "4 of 4 tensors (100% of the weights)" in said


def test_a_network_of_other_classes_and_an_extra_layer_fits_in_part(tmp_path: Path) -> None:
    from nnunet_ext.warm_start import warm_start

    other = network(classes=2).state_dict()
    other["encoder.0.bias"] = torch.zeros(7)
    assert "3 of 4 tensors" in warm_start(network(), save(tmp_path / "c.pth", other))


def test_another_network_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    from nnunet_ext.warm_start import warm_start

    own = network()
    before = {name: value.clone() for name, value in own.state_dict().items()}
    with pytest.raises(InputError, match=r"is of another network: only 0 of 4 tensors, 0% of the weights fit"):
        warm_start(own, save(tmp_path / "c.pth", network(channels=5).state_dict()))
    assert all(torch.equal(value, before[name]) for name, value in own.state_dict().items())


def test_what_is_wrapped_for_several_gpus_or_compiled_is_found(tmp_path: Path) -> None:
    from nnunet_ext.warm_start import warm_start

    outer, compiled = torch.nn.Module(), torch.nn.Module()
    compiled._orig_mod = network()
    outer.module = compiled
    assert "100% of the weights" in warm_start(outer, save(tmp_path / "c.pth", network().state_dict()))


class Touch:
    """Creates a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def test_code_in_a_checkpoint_is_not_executed(tmp_path: Path) -> None:
    from nnunet_ext.warm_start import warm_start

    torch.save({"network_weights": Touch(tmp_path / "ran")}, tmp_path / "c.pth")
    with pytest.raises(InputError, match="holds more than weights"):
        warm_start(network(), tmp_path / "c.pth")
    assert not (tmp_path / "ran").exists()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    from nnunet_ext.warm_start import warm_start

    with pytest.raises(InputError, match=r"CCRCC_WARM_START names no file: .*gone.pth"):
        warm_start(network(), tmp_path / "gone.pth")
