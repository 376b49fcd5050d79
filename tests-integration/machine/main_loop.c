/*
 * Keeps QEMU's main loop from sleeping for ever; preloaded into QEMU.
 *
 * Under -icount the clock of an idle guest stands still until the main loop has armed a timer for
 * the guest's next deadline, which it does whenever it wakes (main_loop_wait,
 * icount_start_warp_timer). An idle processor wakes it for that. But if an interrupt is raised and
 * lowered again before the processor takes it, the processor goes back to sleep without a word
 * (QEMU 7.2, rr_wait_io_event in accel/tcg/tcg-accel-ops-rr.c), and guest and clock wait for each
 * other. So the main loop, which sleeps in ppoll(2), is woken every now and then. All who call
 * ppoll in QEMU call it again if it returns for nothing.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <poll.h>
#include <signal.h>

#define LONGEST_NANOSECONDS 10000000 /* 10 ms */

int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
    static int (*next)(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *);
    static const struct timespec longest = {0, LONGEST_NANOSECONDS};

    if (!next)
        next = dlsym(RTLD_NEXT, "ppoll");
    if (!timeout || timeout->tv_sec > 0 || timeout->tv_nsec > LONGEST_NANOSECONDS)
        timeout = &longest;
    return next(fds, count, timeout, mask);
}
