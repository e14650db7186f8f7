"""Passthrough: a virtual function of the NIC in the guest, nothing of the host between them."""

from virtsim.model.path import Path
from virtsim.parts import guest
from virtsim.parts.vfio import vf


def sriov() -> Path:
    """Return a virtual function assigned to the guest by VFIO."""
    return Path(
        "sriov",
        guest.linux(nic="vf"),  # its driver rings the NIC's doorbell without an exit
        vf(),  # DMA to and from the guest's own buffers, posted interrupts
        summary="SR-IOV virtual function by VFIO, no host in between",
    )
