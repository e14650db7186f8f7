"""NUMA distance: what a stage pays for lines and bytes that are on another node than its thread.

The prices of ring operations and copies are those of one socket. A thread elsewhere pays, for each
packet and apart from them (cause ``numa``):

* two lines for a virtqueue that it takes from or publishes to, if memory is on another node: the
  descriptor and the ring entry, which stay where the guest's memory is (what a back end can move
  to its own node is only its bookkeeping [DPDK lib/vhost/vhost_user.c: numa_realloc]); one, the
  descriptor, for the ring of a NIC that software emulates;
* each byte of its copies there, if memory is on another node;
* a line for a NIC's ring, the descriptor, if the NIC is on another node, and for a packet received
  the first touch of its data: DDIO fills the caches of the NIC's own socket only.

A hand-over between two threads on different nodes needs no rule of its own: memory is local to one
of them at most, and the other is the one that pays. Two threads that share a node far from memory
both pay, as the home of their lines is there. Neighbouring entries share a line (four descriptors
to one), so in bursts two lines a packet are the most that it can be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from virtsim.compose.placement import MEMORY, NIC, node_of
from virtsim.compose.uses import UseTable
from virtsim.model.ops import ops
from virtsim.program import NONE, Program, RingRow, StageRow, Uses

LINE, BYTE = "line.cross_socket:extra", "mem.dram_remote_add:byte"
CAUSE = "numa"
DESCRIPTOR, RING_ENTRY, FIRST_TOUCH = LINE, LINE, LINE


def at_distance(program: Program, placement: Mapping[str, int], use: UseTable) -> Program:
    """Return a Program whose stages pay for the distances of a placement.

    Parameters
    ----------
    placement
        See :mod:`virtsim.compose.placement`; with everything on one node nothing changes.
    use
        The table that the Program's uses are numbered by.
    """
    stages = tuple(
        replace(row, item=row.item + _extra(program, row, placement, use)) for row in program.stages
    )
    return replace(program, stages=stages, uses=use.rows)


def _extra(program: Program, row: StageRow, placement: Mapping[str, int], use: UseTable) -> Uses:
    """Return what one stage pays more for each packet."""
    thread = program.threads[row.thread]
    if not thread.host_cpu or row.role in ("reclaim", "relay"):
        return ()
    node = program.cores[thread.core].node
    far_memory = node != node_of(placement, MEMORY)
    far_nic = node != node_of(placement, NIC)
    in_exit = thread.kind == "vcpu" and row.side == "host"
    extra: Uses = ()
    for number, part in ((row.ring, _part(program, row, 0)), (row.out, _part(program, row, -1))):
        ring = program.rings[number] if number != NONE else RingRow("", 0)
        if far_memory and _in_guest_memory(program, ring):
            entry = (RING_ENTRY,) if ring.virtqueue else ()
            extra += use((DESCRIPTOR, *entry), CAUSE, part, in_exit)
        if far_nic and _at_nic(program, ring):
            touch = (FIRST_TOUCH,) if number == row.ring else ()
            extra += use((DESCRIPTOR, *touch), CAUSE, part, in_exit)
    rings = (program.rings[n] for n in (row.ring, row.out) if n != NONE)
    if far_memory and any(_in_guest_memory(program, ring) for ring in rings):
        for copy in (program.uses[u] for u in row.item):
            extra += use((BYTE,), CAUSE, copy.part, in_exit) if _copies(copy.op) else ()
    return extra


def _in_guest_memory(program: Program, ring: RingRow) -> bool:
    """Tell whether a ring is one between a driver and a device that is software."""
    return ring.frees != "take" and not _at_nic(program, ring)


def _at_nic(program: Program, ring: RingRow) -> bool:
    """Tell whether a NIC is at the other end of a ring: its entries are seen after its latency."""
    return any(program.uses[u].op == "nic.latency" for u in ring.visible)


def _copies(op: str) -> bool:
    known = ops().get(op.partition(":")[0])
    return known is not None and known.per == "byte" and "copied_bytes" in known.counts


def _part(program: Program, row: StageRow, which: int) -> str:
    """Return the part of a stage's first or last op: a row may join the work of several."""
    uses = row.item or row.batch_uses
    return program.uses[uses[which]].part if uses else row.name
