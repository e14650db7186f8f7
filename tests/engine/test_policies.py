"""The policies are pure integer functions: each is held against its rule, spelt out another way."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from virtsim.semantics import (
    MASK,
    burst_take,
    event_next,
    event_off,
    event_share,
    halt_poll_next,
    idle_state,
    moderate,
    need_event,
    next_poll,
    passed,
    stretch,
)

u16 = st.integers(0, MASK)
few = st.integers(0, 300)
US = 1_000_000


@given(old=u16, n=few, event=u16)
@example(old=65535, n=1, event=65535)
@example(old=65530, n=10, event=3)
@example(old=0, n=0, event=0)
def test_need_event_is_the_sentence_of_the_specification(old: int, n: int, event: int) -> None:
    """The driver notifies if it wrote the entry whose index is the event.

    virtio 1.x, "Available Buffer Notification Suppression": with VIRTIO_F_EVENT_IDX, "if the idx
    field in the available ring (which determined where that descriptor index was placed) was equal
    to avail_event, the driver MUST send a notification; otherwise SHOULD NOT". Entries old .. old +
    n - 1, modulo 65536, were placed since the last decision: the index of each was its place.
    """
    placed = {(old + i) & MASK for i in range(n)}
    assert need_event(event, (old + n) & MASK, old) == (event in placed)


@given(position=u16, k=st.integers(1, 300), n=few)
def test_event_next_asks_for_the_kth_entry(position: int, k: int, n: int) -> None:
    """Entries published one by one after the position notify at the k-th, and at no other."""
    event = event_next(position, k)
    told = [
        i for i in range(n) if need_event(event, (position + i + 1) & MASK, (position + i) & MASK)
    ]
    assert told == ([k - 1] if n >= k else [])


@given(position=u16, outstanding=st.integers(0, 32768), n=few)
def test_event_share_lies_three_quarters_on(position: int, outstanding: int, n: int) -> None:
    """``enable_cb_delayed`` lets three quarters of what is outstanding be used in silence.

    Linux: bufs = outstanding * 3 / 4, used_event = last_used_idx + bufs. So the notification comes
    with entry number bufs, counted from 0.
    """
    event = event_share(position, outstanding, 3, 4)
    quiet = outstanding * 3 // 4
    new = (position + n) & MASK
    assert need_event(event, new, position) == (n > quiet)
    assert passed(event, position, new) == (n > quiet)


@given(published=u16, n=st.integers(0, 65535))
def test_event_off_is_silent_for_65535_entries(published: int, n: int) -> None:
    """An event index that was just passed is met again only by the 65536th entry after it."""
    event = event_off(published)
    assert not need_event(event, (published + n) & MASK, published)
    last = (published + 65535) & MASK
    assert need_event(event, (last + 1) & MASK, last)


@given(position=u16, k=st.integers(1, 1000), n=st.integers(0, 1000))
def test_passed_tells_what_no_publication_will(position: int, k: int, n: int) -> None:
    """An event armed for the k-th entry lies behind exactly if k entries are there already.

    virtqueue_enable_cb re-reads the used index after the barrier for this reason: what was there
    before the arming is told by no notification.
    """
    published = (position + n) & MASK
    assert passed(event_next(position, k), position, published) == (n >= k)


@given(few, few, few)
def test_burst_is_bounded_by_all_three(visible: int, batch: int, left: int) -> None:
    """A burst is what is there, but no more than a batch and no more than the budget allows."""
    n = burst_take(visible, batch, left)
    assert n == min(visible, batch, left)
    assert burst_take(visible, batch, -left) == 0


@given(now=st.integers(0, 2000), first=st.integers(0, 1000), period=st.integers(1, 300))
def test_next_poll_is_the_first_look_not_before_now(now: int, first: int, period: int) -> None:
    """Of the looks at first, first + period, ... the first that is not in the past; now counts."""
    looks = (first + k * period for k in range(3000))
    assert next_poll(now, first, period) == next(t for t in looks if t >= now)


def test_halt_polling_walks_as_in_kvm() -> None:
    """Ceiling 200 us: 0 -> 10 -> 20 -> ... -> 200 us while short blocks are missed.

    A block that the poll caught keeps it, one of the ceiling's length or longer does not grow it,
    one longer than the ceiling halves it, and below 10 us it is off [kvm_vcpu_halt: "if (halt_ns <=
    halt_poll_ns) ; else if (halt_poll_ns && halt_ns > max) shrink; else if (halt_poll_ns < max &&
    halt_ns < max) grow"; shrink_halt_poll_ns: "if (val < grow_start) val = 0"].
    """

    def walk(poll: int, blocks: list[int], shrink: int = 2) -> list[int]:
        seen = []
        for block in blocks:
            poll = halt_poll_next(
                poll, block * US, start_ps=10 * US, grow=2, shrink=shrink, max_ps=200 * US
            )
            seen.append(poll // US)
        return seen

    assert walk(0, [150] * 7) == [10, 20, 40, 80, 160, 160, 160]
    assert walk(0, [199] * 6) == [10, 20, 40, 80, 160, 200]
    assert walk(0, [200, 201]) == [0, 0]
    assert walk(40 * US, [40, 39, 41, 200]) == [40, 40, 80, 80]
    assert walk(160 * US, [201] * 6) == [80, 40, 20, 10, 0, 0]
    assert walk(160 * US, [201], shrink=0) == [0]


@given(
    poll=st.integers(0, 50), block=st.integers(0, 100), start=st.integers(1, 20),
    grow=st.integers(1, 4), shrink=st.integers(0, 4), most=st.integers(0, 50),
)  # fmt: skip
def test_halt_poll_stays_in_its_bounds(
    poll: int, block: int, start: int, grow: int, shrink: int, most: int
) -> None:
    """From 0 to the ceiling, and never longer after a block that a longer poll had not caught."""
    poll = min(poll, most)
    new = halt_poll_next(poll, block, start_ps=start, grow=grow, shrink=shrink, max_ps=most)
    assert 0 <= new <= most
    if block <= poll or block >= most:
        assert new <= poll


@given(st.lists(st.integers(0, 50), max_size=40), st.integers(0, 60))
def test_moderation_keeps_deliveries_apart(gaps: list[int], gap: int) -> None:
    """Asked for at any times, deliveries are a gap apart, the first is at once, none is early."""
    last: int | None = None
    now = 0
    for step in gaps:
        now += step
        due = moderate(now, last, gap)
        assert due == now if last is None or now - last >= gap else due == last + gap
        last = now = due


@given(
    start=st.integers(0, 60),
    busy=st.integers(1, 60),
    pieces=st.lists(st.tuples(st.integers(0, 15), st.integers(1, 15)), max_size=8),
)
def test_stretch_is_work_in_the_moments_left(
    start: int, busy: int, pieces: list[tuple[int, int]]
) -> None:
    """Unit by unit: a use works in every moment in which the core is not interrupted."""
    at, length, t = [], [], 0
    for gap, size in pieces:
        at.append(t + gap)
        length.append(size)
        t += gap + size
    stolen = {m for a, x in zip(at, length, strict=True) for m in range(a, a + x)}
    moment, left = start, busy
    while left:
        left -= moment not in stolen
        moment += 1
    assert stretch(start, busy, at, length) == moment


@given(st.integers(0, 100), st.lists(st.integers(0, 100), max_size=4).map(sorted))
def test_idle_state_is_the_deepest_that_was_reached(idle: int, reach: list[int]) -> None:
    """The deepest of the states whose residency the idle time has reached; none if it was short."""
    assert idle_state(idle, reach) == sum(r <= idle for r in reach) - 1
