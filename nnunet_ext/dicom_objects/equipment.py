"""What every object states of the software that made it."""

from typing import Any

from nnunet_ext.ground.record import DISTRIBUTION, versions


def equipment() -> dict[str, Any]:
    """Return manufacturer, model, version and serial number, which an enhanced object must state."""
    return {
        "manufacturer": DISTRIBUTION,
        "manufacturer_model_name": DISTRIBUTION,
        "software_versions": versions().get(DISTRIBUTION, "unknown"),
        "device_serial_number": "none",
    }
