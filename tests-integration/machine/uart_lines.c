/*
 * Modem lines and breaks for the UARTs of the virtual machine; preloaded into QEMU.
 *
 * QEMU's "serial" chardev asks the tty behind it for modem lines (TIOCMGET, TIOCMSET) and for
 * breaks (tcsendbreak). Here the two chardevs have the two ends of one socket pair instead,
 * which carries bytes and nothing else. This answers for them as a null modem would:
 * RTS arrives as CTS, DTR as DSR and DCD, and a break as a break, before the call returns.
 *
 * UART_INODES   the inode numbers of the two ends, "N,M"; the chardevs are named uart0 and uart1
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>

#define CHR_EVENT_BREAK 0 /* QEMU, include/chardev/char.h */

static unsigned long inodes[2];
static int joined, outputs[2];

__attribute__((constructor)) static void start(void)
{
    const char *ends = getenv("UART_INODES");

    joined = ends && sscanf(ends, "%lu,%lu", &inodes[0], &inodes[1]) == 2;
}

/* Which UART a descriptor is the line of, or -1. */
static int uart_of(int fd)
{
    struct stat status;

    if (!joined || fstat(fd, &status) < 0 || !S_ISSOCK(status.st_mode))
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

/* What QEMU's monitor does for chardev-send-break (qmp_chardev_send_break in chardev/char.c). */
static int receive_break(const char *name)
{
    void *(*find)(const char *) = dlsym(RTLD_DEFAULT, "qemu_chr_find");
    void (*happen)(void *, int) = dlsym(RTLD_DEFAULT, "qemu_chr_be_event");
    void *chardev = find && happen ? find(name) : NULL;

    if (!chardev) {
        fprintf(stderr, "uart_lines: this QEMU has no way for a break to %s\n", name);
        errno = ENOSYS;
        return -1;
    }
    happen(chardev, CHR_EVENT_BREAK);
    return 0;
}

int tcsendbreak(int fd, int duration)
{
    static int (*next)(int, int);
    int uart = uart_of(fd);

    if (uart >= 0)
        return receive_break(uart ? "uart0" : "uart1");
    if (!next)
        next = dlsym(RTLD_NEXT, "tcsendbreak");
    return next(fd, duration);
}
