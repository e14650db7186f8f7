/* W4: virtio-net, tx and rx. Six clocks, earliest first and of equal ones in this order: rx source,
 * tx source, rx interrupt, tx interrupt, vhost worker, vCPU. What ends at an instant ends before
 * anybody looks at a ring at that instant. */
#include "w4_vcpu.h"

static inline void rx_arrives(struct world *s, i64 t)
{
    i64 packet = s->rx_next++;

    if (s->rx_next < s->w->rx_n)
        set(s, RX_SOURCE, s->rx_at[s->rx_next]);
    else
        s->clock[RX_SOURCE] = NEVER;
    if (s->tap_in - s->tap_out == TAP_PLACES) {
        s->sum += ends(s->w, packet, -2 - TAP);
        return;
    }
    s->tap[s->tap_in++ & TAP_MASK] = packet;
    if (s->tap_armed) {
        s->tap_armed = 0;
        tell(s, t, RX_SIDE);
    }
}

static inline void tx_arrives(struct world *s, i64 t)
{
    i64 packet = s->w->rx_n + s->tx_next++;

    if (s->tx_next < s->w->tx_n)
        set(s, TX_SOURCE, s->tx_at[s->tx_next]);
    else
        s->clock[TX_SOURCE] = NEVER;
    if (s->qdisc_in - s->qdisc_out == QDISC_PLACES) {
        s->sum += ends(s->w, packet, -2 - QDISC);
        return;
    }
    s->qdisc[s->qdisc_in++ & QDISC_MASK] = packet;
    if (s->qdisc_armed) {
        s->qdisc_armed = 0;
        push(&s->process, XMIT_TURN);
        rouse(s, t);
    }
}

static inline void rx_interrupt(struct world *s, i64 t)
{
    s->clock[RX_LINE] = NEVER;
    s->napi_ready = RX_ENTERING;
    rouse(s, t);
}

static inline void tx_interrupt(struct world *s, i64 t)
{
    s->clock[TX_LINE] = NEVER;
    if (!s->txdone_told) {
        s->txdone_told = 1;
        push(&s->hard, TXDONE_TOLD);
    }
    rouse(s, t);
}

static inline i64 earlier(i64 a, i64 b)
{
    return a < b ? a : b;
}

static inline i64 earliest(const i64 *clock)
{
    i64 sources = earlier(clock[RX_SOURCE], clock[TX_SOURCE]);
    i64 lines = earlier(clock[RX_LINE], clock[TX_LINE]);
    i64 threads = earlier(clock[WORKER], clock[VCPU]);

    return earlier(earlier(sources, lines), threads);
}

uint64_t w4(const struct work *w)
{
    struct world s = {.w = w, .rx_at = w->at, .tx_at = w->at + w->rx_n};
    i64 next, t = 0;

    s.rearm = *w->cost[REARM];
    s.wake = *w->cost[WAKE];
    s.rx_delay = *w->cost[RX_IRQ];
    s.tx_delay = *w->cost[TX_IRQ];
    s.entry = *w->cost[ENTRY];
    s.complete = *w->cost[COMPLETE];
    s.tap_armed = s.qdisc_armed = s.kick_armed = s.irq_armed = 1;
    s.slots_event = s.room_event = UINT16_MAX;
    for (int i = 0; i < CLOCKS; i++)
        s.clock[i] = NEVER;
    if (w->rx_n)
        set(&s, RX_SOURCE, s.rx_at[0]);
    if (w->tx_n)
        set(&s, TX_SOURCE, s.tx_at[0]);
    while ((next = earliest(s.clock)) != NEVER) {
        t = next >> 3;
        switch (next & 7) {
        case RX_SOURCE:
            rx_arrives(&s, t);
            break;
        case TX_SOURCE:
            tx_arrives(&s, t);
            break;
        case RX_LINE:
            rx_interrupt(&s, t);
            break;
        case TX_LINE:
            tx_interrupt(&s, t);
            break;
        case WORKER:
            worker(&s, t);
            break;
        case VCPU:
            vcpu(&s, t);
            break;
        }
    }
    s.count[END] = t;
    for (int i = 0; i <= END; i++)
        w->count[i] = s.count[i];
    return s.sum;
}
