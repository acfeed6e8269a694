"""The devices on which PyTorch can compute on this machine."""

from nnunet_ext.ground.errors import InputError


def check_device(name: str) -> None:
    """Refuse a device that this machine lacks, before anything is read or written.

    Args:
        name: ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``.

    Raises:
        InputError: If it is unknown or not here, or PyTorch is not installed.
    """
    known = devices()
    if name not in known:
        msg = f"No device {name!r} here; this machine and its PyTorch have {', '.join(known)}"
        raise InputError(msg)


def devices() -> list[str]:
    """Return the names of the devices on which PyTorch can compute on this machine.

    Raises:
        InputError: If PyTorch is not installed.
    """
    try:
        import torch  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        msg = "nnU-Net is not installed; pip install 'ccrcc-radiomics[nnunet]'"
        raise InputError(msg) from error
    cards = torch.cuda.device_count() if torch.cuda.is_available() else 0
    gpus = ["cuda", *(f"cuda:{card}" for card in range(cards))] if cards else []
    return ["cpu", *gpus, *(["mps"] if torch.backends.mps.is_available() else [])]
