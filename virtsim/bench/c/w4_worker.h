/* W4: the vhost worker, which serves send and receive ring in turn. */
#ifndef VIRTSIM_BENCH_W4_WORKER_H
#define VIRTSIM_BENCH_W4_WORKER_H

#include "w4_world.h"

static inline void tell(struct world *s, i64 t, int side)
{
    if (s->told[side])
        return;
    s->told[side] = 1;
    push(&s->todo, TX_TOLD + side);
    if (s->worker == ASLEEP) {
        s->worker = WAKING;
        s->count[WORKER_WAKEUPS]++;
        s->count[WAKE]++;
        set(s, WORKER, t + s->wake);
    }
}

static inline void begin(struct world *s, int doing, i64 end)
{
    s->worker = doing;
    set(s, WORKER, end);
}

/* Take the next packet to send; without one ask for kicks. */
static inline void worker_tx(struct world *s, i64 t)
{
    if (s->tx_in != s->tx_out) {
        s->worker_item = s->txq[s->tx_out++ & MASK];
        begin(s, SENDING, t + cost(s, TX, s->worker_item));
    } else {
        s->count[REARM]++;
        begin(s, REARMING, t + s->rearm);
    }
}

/* Take the next packet to receive; tell whether there is one, and room for it. */
static inline int worker_rx(struct world *s, i64 t)
{
    if (s->tap_in == s->tap_out) {
        s->tap_armed = 1;
        return 0;
    }
    if (s->rx_in - s->rx_done == PLACES) {
        s->room_event = s->rx_done + ROOM_AHEAD;
        s->count[RX_STOPS]++;
        return 0;
    }
    s->worker_item = s->tap[s->tap_out++ & TAP_MASK];
    begin(s, RECEIVING, t + cost(s, RX, s->worker_item));
    return 1;
}

/* Return the side whose turn it is; what told of it is not asked for any more. */
static inline int next_turn(struct world *s)
{
    while (s->todo.bits) {
        uint32_t what = pop(&s->todo);
        int side = what == RX_TURN || what == RX_TOLD;

        s->served = 0;
        if (what == TX_TURN || what == RX_TURN) {
            s->turn[side] = 0;
            return side;
        }
        s->told[side] = 0;
        *(side == TX_SIDE ? &s->kick_armed : &s->tap_armed) = 0;
        if (!s->turn[side])
            return side;
    }
    return NO_SIDE;
}

/* Serve a side, or whichever has its turn next; sleep if none has anything. */
static inline void serve(struct world *s, i64 t, int side)
{
    for (; side != NO_SIDE; side = next_turn(s)) {
        if (side == TX_SIDE) {
            worker_tx(s, t);
            return;
        }
        if (worker_rx(s, t))
            return;
    }
    s->worker = ASLEEP;
    s->clock[WORKER] = NEVER;
}

/* Count a packet that was served; return whose turn it is now. */
static inline int served(struct world *s, int side)
{
    if (++s->served < BUDGET)
        return side;
    s->turn[side] = 1;
    push(&s->todo, TX_TURN + side);
    return next_turn(s);
}

static void vcpu(struct world *s, i64 t);

/* The vCPU's op ends at this instant too: it does so before the worker looks at a ring. */
static inline void vcpu_first(struct world *s, i64 t)
{
    if (s->clock[VCPU] >> 3 == t)
        vcpu(s, t);
}

static inline void worker(struct world *s, i64 t)
{
    int side;

    switch (s->worker) {
    case WAKING:
        side = next_turn(s);
        break;
    case SENDING:
        s->sum += ends(s->w, s->worker_item, t);
        s->tx_done++;
        if ((uint16_t)(s->tx_done - s->slots_event) == 1 && s->clock[TX_LINE] == NEVER) {
            s->count[TX_IRQ]++;
            set(s, TX_LINE, t + s->tx_delay);
        }
        side = served(s, TX_SIDE);
        break;
    case REARMING:
        s->kick_armed = 1;
        vcpu_first(s, t);
        if (s->tx_in == s->tx_out) {
            serve(s, t, next_turn(s));
        } else {
            s->kick_armed = 0;
            worker_tx(s, t);
        }
        return;
    case RECEIVING:
        s->rxq[s->rx_in++ & MASK] = s->worker_item;
        if (s->irq_armed) {
            s->irq_armed = 0;
            begin(s, CALLING, t + cost(s, CALL, s->worker_item));
            return;
        }
        side = served(s, RX_SIDE);
        break;
    default: /* CALLING */
        s->count[RX_IRQ]++;
        set(s, RX_LINE, t + s->rx_delay);
        side = served(s, RX_SIDE);
        break;
    }
    vcpu_first(s, t);
    serve(s, t, side);
}

#endif
