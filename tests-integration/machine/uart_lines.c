/*
 * Modem lines and breaks for the UARTs of the virtual machine; preloaded into QEMU.
 *
 * QEMU's "serial" chardev asks the tty behind it for modem lines (TIOCMGET, TIOCMSET) and for
 * breaks (tcsendbreak). Here the two chardevs have the two ends of one socket pair instead,
 * which carries bytes and nothing else. This answers for them as a null modem would:
 * RTS arrives as CTS, DTR as DSR and DCD, and a break arrives as a break, by way of QEMU's own
 * monitor, as only QEMU can make its UART receive one.
 *
 * UART_INODES   the inode numbers of the two ends, "N,M"; the chardevs are named uart0 and uart1
 * UART_MONITOR  a descriptor on which QEMU's monitor takes commands (QMP)
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>

static unsigned long inodes[2];
static int monitor = -1, outputs[2];

__attribute__((constructor)) static void start(void)
{
    const char *ends = getenv("UART_INODES"), *fd = getenv("UART_MONITOR");

    if (ends && fd && sscanf(ends, "%lu,%lu", &inodes[0], &inodes[1]) == 2)
        monitor = atoi(fd);
}

/* Which UART a descriptor is the line of, or -1. */
static int uart_of(int fd)
{
    struct stat status;

    if (monitor < 0 || fstat(fd, &status) < 0 || !S_ISSOCK(status.st_mode))
        return -1;
    return status.st_ino == inodes[0] ? 0 : status.st_ino == inodes[1] ? 1 : -1;
}

int ioctl(int fd, unsigned long request, ...)
{
    static int (*next)(int, unsigned long, ...);
    va_list rest;
    void *argument;
    int uart;

    va_start(rest, request);
    argument = va_arg(rest, void *);
    va_end(rest);
    if ((request == TIOCMGET || request == TIOCMSET) && (uart = uart_of(fd)) >= 0) {
        int *lines = argument, other = outputs[!uart];

        if (request == TIOCMSET)
            outputs[uart] = *lines & (TIOCM_RTS | TIOCM_DTR);
        else
            *lines = outputs[uart] | (other & TIOCM_RTS ? TIOCM_CTS : 0)
                     | (other & TIOCM_DTR ? TIOCM_DSR | TIOCM_CD : 0);
        return 0;
    }
    if (!next)
        next = dlsym(RTLD_NEXT, "ioctl");
    return next(fd, request, argument);
}

int tcsendbreak(int fd, int duration)
{
    static int (*next)(int, int);
    int uart = uart_of(fd);

    if (uart >= 0) {
        dprintf(monitor, "{\"execute\": \"chardev-send-break\", \"arguments\": {\"id\": \"uart%d\"}}\n", !uart);
        return 0;
    }
    if (!next)
        next = dlsym(RTLD_NEXT, "tcsendbreak");
    return next(fd, duration);
}
