"""An emulated e1000: every register access of its driver's set-up is an exit to QEMU."""

from __future__ import annotations

from collections.abc import Iterator

from virtsim.control.steps import Step

EEPROM, RESET, RINGS = "the driver reads the EEPROM", "reset and tables", "rings and interrupts"
HW = "[drivers/net/ethernet/intel/e1000/e1000_hw.c: {}]"

DELAY_PS = 50_000_000
"""The driver's pause after each edge of the EEPROM's clock [e1000_init_eeprom_params]."""

RESET_PS = 10_000_000_000
"""Its pause before the reset [e1000_reset_hw]."""


def eeprom_word() -> tuple[int, int]:
    """Return the accesses and the pauses that reading one word of the EEPROM takes.

    The driver shifts bit by bit through the register EECD, and reads STATUS behind each edge to
    flush it: 3 bits of the command, 6 of the address, 16 of the word.
    """
    acquire, release, standby = 5, 7, 1 + 4 * 2
    out = sum(1 + bits * 3 * 2 + 1 for bits in (3, 6))
    into = 1 + 16 * 5
    pauses = (3 + 6) * 3 + 16 * 2 + 4 + 2
    return acquire + out + into + standby + release, pauses


def e1000() -> Iterator[Step]:
    """Yield the accesses of the Linux driver's probe and first open, for the 82540EM."""
    yield _words("checks the EEPROM's sum: 64 words", 64, "e1000_validate_eeprom_checksum")
    yield _words("reads the MAC address: 3 words", 3, "e1000_read_mac_addr")
    yield _words("reads the settings of LEDs, flow control and wake-up", 3,
                 "e1000_id_led_init, e1000_setup_link")  # fmt: skip
    # IMC, RCTL, TCTL, flush, CTRL, reset through two ports, MANC twice, IMC, ICR.
    yield Step(RESET, "driver", "resets the device, in probe and before use", 2 * 11,
               wait_ps=2 * RESET_PS, source=HW.format("e1000_reset_hw"))  # fmt: skip
    yield Step(RESET, "driver", "clears 128 words of the VLAN table, 128 of the multicast table, "
               "15 addresses of two words", (128 + 128 + 15 * 2) * 2,
               note="each written, then flushed by a read",
               source=HW.format("e1000_clear_vfta, e1000_init_rx_addrs, e1000_init_hw")
               )  # fmt: skip
    yield Step(RESET, "driver", "clears 58 counters by reading them", 58,
               source=HW.format("e1000_clear_hw_cntrs"))  # fmt: skip
    yield Step(RESET, "driver", "sets flow control and write-back", 10,
               source=HW.format("e1000_setup_link, e1000_init_hw"))  # fmt: skip
    yield Step(RESET, "driver", "sets the PHY up through MDIC: some 40 registers", 2 * 40,
               note="an estimate; a write and a read each",
               source=HW.format("e1000_setup_copper_link"))  # fmt: skip
    yield Step(RINGS, "driver", "tells both rings' addresses, lengths, heads, tails and delays", 28,
               note="an estimate",
               source="[drivers/net/ethernet/intel/e1000/e1000_main.c: e1000_configure]"
               )  # fmt: skip
    yield Step(RINGS, "driver", "unmasks its interrupt, a level-triggered line", 2,
               source="[drivers/net/ethernet/intel/e1000/e1000_main.c: e1000_irq_enable]"
               )  # fmt: skip


def _words(what: str, words: int, where: str) -> Step:
    accesses, pauses = eeprom_word()
    return Step(EEPROM, "driver", what, words * accesses, wait_ps=words * pauses * DELAY_PS,
                note=f"{accesses} accesses and {pauses} pauses of 50 us a word",
                source=HW.format(where))  # fmt: skip
