/* W4: the vCPU, which enters interrupts, polls and sends. */
#ifndef VIRTSIM_BENCH_W4_VCPU_H
#define VIRTSIM_BENCH_W4_VCPU_H

#include "w4_worker.h"

static inline void rouse(struct world *s, i64 t)
{
    if (s->vcpu == IDLE) {
        s->vcpu = LOOKING;
        set(s, VCPU, t);
    }
}

static inline void execute(struct world *s, int doing, i64 end)
{
    s->vcpu = doing;
    set(s, VCPU, end);
}

/* Take the next packet to send, and back the slots that were used. */
static inline void xmit_look(struct world *s)
{
    if (s->qdisc_in == s->qdisc_out) {
        s->qdisc_armed = 1;
        s->xmit = 0;
        return;
    }
    s->xmit_item = s->qdisc[s->qdisc_out++ & QDISC_MASK];
    s->tx_freed = s->tx_done;
    s->xmit = XMITTING;
}

/* A packet is on its way: stop if it took the last slot. */
static inline void xmitted(struct world *s)
{
    if (s->tx_in - s->tx_freed < PLACES) {
        xmit_look(s);
        return;
    }
    s->xmit = 0;
    s->stopped = 1;
    s->count[XMIT_STOPS]++;
    s->slots_event = s->tx_freed + SLOTS_AHEAD;
    if (s->tx_done - s->tx_freed > SLOTS_AHEAD && !s->txdone_turn) {
        s->txdone_turn = 1;
        push(&s->hard, TXDONE_TURN);
    }
}

static inline void txdone(struct world *s)
{
    s->tx_freed = s->tx_done;
    if (s->stopped && s->tx_in - s->tx_freed < PLACES) {
        s->stopped = 0;
        push(&s->process, XMIT_TURN);
    }
}

static inline void napi_look(struct world *s)
{
    if (s->rx_in == s->rx_out) {
        s->napi = COMPLETING;
        return;
    }
    s->napi_item = s->rxq[s->rx_out++ & MASK];
    s->napi = POLLING;
}

/* NAPI's budget is used up: it goes on as a process, behind the sender. */
static inline void napi_yields(struct world *s)
{
    s->napi = 0;
    if (s->napi_soft)
        s->ksoftirqd = 1;
    if (s->ksoftirqd) {
        push(&s->process, NAPI_TURN);
        s->napi_queued = 1;
    } else {
        s->napi_ready = POLLING;
    }
}

static inline void vcpu_ends(struct world *s, i64 t)
{
    switch (s->vcpu) {
    case TX_ENTERING:
        if (!s->txdone_turn)
            txdone(s);
        s->ksoftirqd &= s->napi_queued;
        return;
    case RX_ENTERING:
        s->irq_armed = 0;
        s->polled = 0;
        napi_look(s);
        return;
    case POLLING:
        s->sum += ends(s->w, s->napi_item, t);
        s->rx_done++;
        if ((uint16_t)(s->rx_done - s->room_event) == 1)
            tell(s, t, RX_SIDE);
        if (++s->polled >= BUDGET)
            napi_yields(s);
        else
            napi_look(s);
        return;
    case COMPLETING:
        s->irq_armed = 1;
        if (s->rx_in != s->rx_out) {
            s->irq_armed = 0;
            napi_look(s);
        } else {
            s->napi = 0;
            s->ksoftirqd &= s->napi_soft;
        }
        return;
    case XMITTING:
        s->txq[s->tx_in++ & MASK] = s->xmit_item;
        if (s->kick_armed) {
            s->kick_armed = 0;
            s->xmit = KICKING;
        } else {
            xmitted(s);
        }
        return;
    case KICKING:
        tell(s, t, TX_SIDE);
        xmitted(s);
        return;
    }
}

/* Go on with what is most urgent: interrupts and softirqs cut in between two ops. */
static inline void vcpu_next(struct world *s, i64 t)
{
    for (;;) {
        if (s->hard.bits) {
            if (pop(&s->hard) == TXDONE_TOLD) {
                s->txdone_told = 0;
                s->count[ENTRY]++;
                execute(s, TX_ENTERING, t + s->entry);
                return;
            }
            s->txdone_turn = 0;
            txdone(s);
            s->ksoftirqd &= s->napi_queued;
        } else if (s->napi_ready) {
            s->napi = s->napi_ready;
            s->napi_ready = 0;
            s->napi_soft = 1;
            if (s->napi == POLLING) {
                s->polled = 0;
                napi_look(s);
            }
        } else if (s->napi == POLLING) {
            execute(s, POLLING, t + cost(s, NAPI, s->napi_item));
            return;
        } else if (s->napi) {
            int completes = s->napi == COMPLETING;

            s->count[completes ? COMPLETE : ENTRY]++;
            execute(s, s->napi, t + (completes ? s->complete : s->entry));
            return;
        } else if (s->xmit) {
            execute(s, s->xmit, t + cost(s, s->xmit == KICKING ? KICK : XMIT, s->xmit_item));
            return;
        } else if (s->process.bits) {
            if (pop(&s->process) == XMIT_TURN) {
                xmit_look(s);
            } else {
                s->napi_queued = s->napi_soft = 0;
                s->polled = 0;
                napi_look(s);
            }
        } else {
            s->vcpu = IDLE;
            s->clock[VCPU] = NEVER;
            return;
        }
    }
}

static void vcpu(struct world *s, i64 t)
{
    vcpu_ends(s, t);
    vcpu_next(s, t);
}

#endif
