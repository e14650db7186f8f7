/* W3: a producer, a ring of 256, and a consumer that sleeps when it finds nothing twice. */
#include "work.h"

enum { MAKE, EAT, KICK, REARM, RESUME, WAKE, USES };
enum { PRODUCER_WAKEUPS = USES, CONSUMER_WAKEUPS, MAKE_STOPS, EAT_STOPS, END };

uint64_t w3(const struct work *w)
{
    const i64 n = w->tx_n, *make = w->cost[MAKE], *eat = w->cost[EAT], *kick = w->cost[KICK];
    const i64 rearm = *w->cost[REARM], resume = *w->cost[RESUME], wake = *w->cost[WAKE];
    i64 eaten[PLACES] = {0};  /* when the items of the last 256 were */
    i64 t = n ? resume : 0;   /* the producer's clock; it is woken once, to begin */
    i64 idle = -1 - rearm;    /* since when the consumer has had nothing to do */
    i64 kicks = 0, stops = 0, resumes = n > 0, told = 0, asked = -1;
    uint64_t sum = 0;

    for (i64 i = 0; i < n; i++) {
        i64 begin, *slot = &eaten[i % PLACES];

        t += make[i];
        if (*slot > t) {
            t = *slot + resume;
            resumes++;
            stops += 1 + told;
            told = 0;
        } else if (*slot == t) {
            told = 1; /* it asked, and found room: what it is told makes it look once more */
        }
        if (t <= idle) {
            begin = idle;
        } else {
            asked++;
            if (t <= idle + rearm) {
                begin = idle + rearm;
            } else {
                t += kick[i];
                begin = t + wake;
                kicks++;
            }
        }
        idle = *slot = begin + eat[i];
        sum += ends(w, i, idle);
    }
    w->count[MAKE] = w->count[EAT] = n;
    w->count[KICK] = w->count[WAKE] = w->count[CONSUMER_WAKEUPS] = kicks;
    w->count[REARM] = n ? asked + 1 : 0;
    w->count[RESUME] = w->count[PRODUCER_WAKEUPS] = resumes;
    w->count[MAKE_STOPS] = stops;
    w->count[END] = n ? idle + rearm : 0;
    return sum;
}
