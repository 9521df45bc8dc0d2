// cable: two TAP interfaces in two network namespaces, and between them a cable with delay, loss and a bottleneck with a
// queue: what `tc netem` does, for kernels built without it.      cc -O2 -o cable cable.c
//
//   cable NS_A DEV_A NS_B DEV_B FILE
//
// FILE has a line for each direction ("up" is A to B) and is read again within 0.1 s of a change:
//   up delay=20 jitter=2 loss=0.5 rate=0 queue=200
//   down delay=20 jitter=2 loss=0 rate=1000 queue=200
// delay and jitter (uniform, never overtaking) in ms, loss in %, rate in kbit/s (0: none), queue in ms. ARP is never lost.
// Ends when FILE is gone.
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define HELD 4096     // frames on the cable at once; more are dropped
#define LONGEST 1600

struct way { double delay, jitter, loss, rate, queue, free_at, last; int first, count; };
struct frame { double at; int length; unsigned char bytes[LONGEST]; };
static struct way ways[2];
static struct frame held[2][HELD];

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void fail(const char *what) { perror(what); exit(1); }

static int tap(const char *space, const char *device) {
    char path[256];
    snprintf(path, sizeof path, "/run/netns/%s", space);
    int there = open(path, O_RDONLY), home = open("/proc/self/ns/net", O_RDONLY);
    if (there < 0 || home < 0 || setns(there, CLONE_NEWNET)) fail(path);
    int made = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    strncpy(request.ifr_name, device, IFNAMSIZ - 1);
    if (made < 0 || ioctl(made, TUNSETIFF, &request)) fail(device);
    if (setns(home, CLONE_NEWNET)) fail("setns");
    return made;
}

static void read_ways(const char *path) {
    FILE *file = fopen(path, "r");
    if (!file) exit(0);
    char line[256];
    while (fgets(line, sizeof line, file)) {
        struct way *way = &ways[strncmp(line, "up", 2) != 0];
        const struct { const char *name; double *value; } fields[] = {
            {"delay=", &way->delay}, {"jitter=", &way->jitter}, {"loss=", &way->loss}, {"rate=", &way->rate}, {"queue=", &way->queue}};
        for (unsigned index = 0; index < 5; index++) {
            char *at = strstr(line, fields[index].name);
            if (at) *fields[index].value = atof(at + strlen(fields[index].name));
        }
    }
    fclose(file);
}

static void enter(int index, const unsigned char *bytes, int length) {
    struct way *way = &ways[index];
    double time = now(), at = time;
    int arp = length >= 14 && bytes[12] == 8 && bytes[13] == 6;
    if ((!arp && drand48() * 100 < way->loss) || way->count == HELD || length > LONGEST) return;
    if (way->rate > 0) {
        double start = way->free_at > time ? way->free_at : time;
        if (!arp && (start - time) * 1000 > way->queue) return;
        way->free_at = at = start + (length + 24) * 8 / (way->rate * 1000);
    }
    at += (way->delay + (drand48() * 2 - 1) * way->jitter) / 1000;
    if (at < way->last) at = way->last;
    way->last = at;
    struct frame *frame = &held[index][(way->first + way->count++) % HELD];
    frame->at = at;
    frame->length = length;
    memcpy(frame->bytes, bytes, length);
}

int main(int count, char **words) {
    if (count != 6) {
        fprintf(stderr, "cable NS_A DEV_A NS_B DEV_B FILE\n");
        return 2;
    }
    int taps[2] = {tap(words[1], words[2]), tap(words[3], words[4])};
    double looked = 0;
    for (;;) {
        double time = now();
        if (time - looked > 0.1) {
            read_ways(words[5]);
            looked = time;
        }
        double due = time + 0.1;
        for (int index = 0; index < 2; index++) {
            struct way *way = &ways[index];
            while (way->count && held[index][way->first].at <= time) {
                struct frame *frame = &held[index][way->first];
                if (write(taps[1 - index], frame->bytes, frame->length) < 0) { /* the interface is down: lost */ }
                way->first = (way->first + 1) % HELD;
                way->count--;
            }
            if (way->count && held[index][way->first].at < due) due = held[index][way->first].at;
        }
        struct pollfd waits[2] = {{.fd = taps[0], .events = POLLIN}, {.fd = taps[1], .events = POLLIN}};
        double wait = due > now() ? due - now() : 0;
        struct timespec length = {.tv_nsec = (long)(wait * 1e9)};
        ppoll(waits, 2, &length, NULL);
        for (int index = 0; index < 2; index++) {
            unsigned char bytes[2048];
            int got;
            for (int turn = 0; turn < 64 && (got = read(taps[index], bytes, sizeof bytes)) > 0; turn++) enter(index, bytes, got);
            if (waits[index].revents & POLLERR) usleep(1000); // the interface is not up yet
        }
    }
}
