/* W4: its state, and what its two threads may be at. */
#ifndef VIRTSIM_BENCH_W4_WORLD_H
#define VIRTSIM_BENCH_W4_WORLD_H

#include "work.h"

enum { XMIT, KICK, TX, REARM, WAKE, RX, CALL, RX_IRQ, TX_IRQ, ENTRY, NAPI, COMPLETE, USES };
enum { WORKER_WAKEUPS = USES, VCPU_WAKEUPS, STOPS, RX_STOPS = STOPS + 1, XMIT_STOPS, END = STOPS + 5 };
enum { RX_SOURCE, TX_SOURCE, RX_LINE, TX_LINE, WORKER, VCPU, CLOCKS };
enum { TAP, QDISC };
enum { TAP_PLACES = 500, TAP_MASK = 511, QDISC_PLACES = 1000, QDISC_MASK = 1023, MASK = PLACES - 1 };
enum { BUDGET = 64, SLOTS_AHEAD = PLACES - BUDGET - 1, ROOM_AHEAD = PLACES / 2 - 1 };
#define NEVER INT64_MAX

/* What the worker does or has to do. */
enum { ASLEEP, WAKING, SENDING, REARMING, RECEIVING, CALLING };
enum { TX_SIDE, RX_SIDE, NO_SIDE };
enum { TX_TURN = 1, RX_TURN, TX_TOLD, RX_TOLD };

/* What the vCPU does or has to do. */
enum { IDLE, LOOKING, TX_ENTERING, RX_ENTERING, POLLING, COMPLETING, XMITTING, KICKING };
enum { TXDONE_TURN = 1, TXDONE_TOLD, XMIT_TURN, NAPI_TURN };

struct queue {              /* a few bytes, first in, first out */
    uint32_t bytes, bits;
};

struct world {
    const struct work *w;
    i64 clock[CLOCKS];      /* time << 3 | rank */
    const i64 *rx_at, *tx_at;
    i64 rx_next, tx_next;   /* the sources' next packets */
    i64 rearm, wake, rx_delay, tx_delay, entry, complete;
    uint64_t sum;
    i64 count[END + 1];

    uint32_t tap_in, tap_out, qdisc_in, qdisc_out;
    uint32_t tx_in, tx_out, tx_done, tx_freed, rx_in, rx_out, rx_done;
    int tap_armed, qdisc_armed, kick_armed, irq_armed;
    uint16_t slots_event, room_event;

    struct queue todo;      /* the worker's */
    int worker, served;
    int told[2], turn[2];   /* by side: what of it is in todo */
    i64 worker_item;

    struct queue hard, process;
    int vcpu, txdone_told, txdone_turn, stopped;
    int xmit, napi;         /* what each goes on with when it has the vCPU, 0: nothing */
    int napi_soft, napi_ready, napi_queued, ksoftirqd, polled;
    i64 xmit_item, napi_item;

    i64 tap[TAP_MASK + 1], qdisc[QDISC_MASK + 1], txq[PLACES], rxq[PLACES];
};

static inline void push(struct queue *q, uint32_t what)
{
    q->bytes |= what << q->bits;
    q->bits += 8;
}

static inline uint32_t pop(struct queue *q)
{
    uint32_t what = q->bytes & 255;

    q->bytes >>= 8;
    q->bits -= 8;
    return what;
}

static inline void set(struct world *s, int clock, i64 t)
{
    s->clock[clock] = t << 3 | clock;
}

static inline i64 cost(struct world *s, int use, i64 packet)
{
    s->count[use]++;
    return s->w->cost[use][packet];
}

#endif
