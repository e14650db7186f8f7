"""Full emulation: an e1000 in QEMU, for a guest that knows of no hypervisor."""

from virtsim.model.path import Path
from virtsim.parts import bridge, guest, nic, tap
from virtsim.parts.e1000 import e1000 as emulated


def e1000() -> Path:
    """Return an e1000 emulated by QEMU over tap."""
    return Path(
        "e1000",
        guest.linux(nic="e1000"),  # every register access leaves the guest for QEMU
        emulated(),  # tx inside the exit, on the vCPU; rx on the main loop
        tap(),
        bridge(),
        nic(),
        summary="e1000 emulated by QEMU, over tap",
    )
