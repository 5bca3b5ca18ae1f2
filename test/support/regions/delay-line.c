/*
 * Joins pairs of TUN devices in different network namespaces: delay, jitter, loss, rate and cuts per
 * link. Packets of one direction never overtake each other.
 *
 *   delay-line [NAME NS_A IF_A NS_B IF_B]...
 *
 * Says "ready" when all devices exist. Then takes one order a line and answers each with "ok":
 *
 *   NAME DELAY_US JITTER_US LOSS_PPM RATE_KBIT CUT
 *
 * Delay, jitter, loss and rate hold in each direction; CUT is 0 none, 1 from A, 2 from B, 3 both.
 * Ends with its standard input: whoever started it may have been killed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { max_links = 16, max_ways = 2 * max_links, held_packets = 8192, packet_bytes = 1600 };

struct packet {
  uint64_t due_ns;
  ssize_t size;
  unsigned char bytes[packet_bytes];
};

/* One direction of one link: a ring of packets in the order in which they leave. */
struct way {
  int from, to;
  struct packet *ring;
  unsigned first, count;
  uint64_t last_due_ns, line_free_ns;
};

struct link {
  char name[64];
  uint64_t delay_ns, jitter_ns;
  unsigned loss_ppm, rate_kbit, cut;
  struct way ways[2];
};

static struct link links[max_links];
static int link_count;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static uint64_t now_ns(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

static int open_device(const char *namespace, const char *device, int home) {
  char path[256];
  snprintf(path, sizeof path, "/run/netns/%s", namespace);
  int there = open(path, O_RDONLY | O_CLOEXEC);
  if (there < 0 || setns(there, CLONE_NEWNET) != 0) fail(path);
  close(there);
  int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) fail("/dev/net/tun");
  struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
  snprintf(request.ifr_name, sizeof request.ifr_name, "%s", device);
  if (ioctl(fd, TUNSETIFF, &request) != 0) fail(device);
  if (setns(home, CLONE_NEWNET) != 0) fail("own namespace");
  return fd;
}

static void add_link(char **words, int home) {
  if (link_count == max_links) exit(2);
  struct link *one = &links[link_count++];
  snprintf(one->name, sizeof one->name, "%s", words[0]);
  int a = open_device(words[1], words[2], home), b = open_device(words[3], words[4], home);
  for (int at = 0; at < 2; at++) {
    struct way *way = &one->ways[at];
    way->from = at == 0 ? a : b;
    way->to = at == 0 ? b : a;
    way->ring = calloc(held_packets, sizeof *way->ring);
    if (way->ring == NULL) fail("memory");
  }
}

static uint64_t due_ns(struct link *link, struct way *way, ssize_t size) {
  uint64_t at = now_ns();
  if (link->rate_kbit > 0) {
    if (way->line_free_ns < at) way->line_free_ns = at;
    way->line_free_ns += (uint64_t)size * 8u * 1000000u / link->rate_kbit;
    at = way->line_free_ns;
  }
  at += link->delay_ns;
  if (link->jitter_ns > 0) at += (uint64_t)(drand48() * (double)link->jitter_ns);
  if (at < way->last_due_ns) at = way->last_due_ns;
  way->last_due_ns = at;
  return at;
}

static int is_cut(const struct link *link, int at) { return (link->cut >> at) & 1; }

/* Takes what waits at the device; a full line drops, as a router would. */
static void take_in(struct link *link, int at) {
  struct way *way = &link->ways[at];
  static unsigned char spare[packet_bytes];
  for (;;) {
    int is_full = way->count == held_packets;
    struct packet *packet = &way->ring[(way->first + way->count) % held_packets];
    ssize_t size = read(way->from, is_full ? spare : packet->bytes, packet_bytes);
    if (size <= 0) return;
    if (is_full || is_cut(link, at)) continue;
    if (link->loss_ppm > 0 && drand48() * 1e6 < link->loss_ppm) continue;
    packet->size = size;
    packet->due_ns = due_ns(link, way, size);
    way->count++;
  }
}

/* Lets out what is due; returns when the next one is, 0 for never. */
static uint64_t let_out(struct link *link, int at) {
  struct way *way = &link->ways[at];
  while (way->count > 0 && way->ring[way->first].due_ns <= now_ns()) {
    struct packet *packet = &way->ring[way->first];
    /* A cut takes what is under way with it. */
    if (!is_cut(link, at) && write(way->to, packet->bytes, (size_t)packet->size) < 0 &&
        errno != EAGAIN && errno != EIO)
      fail("write");
    way->first = (way->first + 1) % held_packets;
    way->count--;
  }
  return way->count == 0 ? 0 : way->ring[way->first].due_ns;
}

static void obey(const char *line) {
  char name[64];
  unsigned long long delay_us, jitter_us;
  unsigned loss, rate, cut;
  if (sscanf(line, "%63s %llu %llu %u %u %u", name, &delay_us, &jitter_us, &loss, &rate, &cut) != 6)
    exit(2);
  for (int at = 0; at < link_count; at++) {
    struct link *one = &links[at];
    if (strcmp(one->name, name) != 0) continue;
    one->delay_ns = delay_us * 1000u;
    one->jitter_ns = jitter_us * 1000u;
    one->loss_ppm = loss;
    one->rate_kbit = rate;
    one->cut = cut;
  }
  puts("ok");
}

static void take_orders(void) {
  static char text[4096];
  static size_t length;
  ssize_t more = read(STDIN_FILENO, text + length, sizeof text - 1 - length);
  if (more <= 0) exit(0);
  length += (size_t)more;
  text[length] = 0;
  char *line = text;
  for (char *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
    *end = 0;
    obey(line);
  }
  length = strlen(line);
  memmove(text, line, length + 1);
}

int main(int count, char **words) {
  int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  if (home < 0) fail("own namespace");
  for (int at = 1; at + 4 < count; at += 5) add_link(words + at, home);
  setvbuf(stdout, NULL, _IOLBF, 0);
  puts("ready");
  struct pollfd polled[max_ways + 1];
  for (int at = 0; at < 2 * link_count; at++)
    polled[at] = (struct pollfd){.fd = links[at / 2].ways[at % 2].from, .events = POLLIN};
  polled[2 * link_count] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
  for (;;) {
    uint64_t next_ns = 0;
    for (int at = 0; at < 2 * link_count; at++) {
      uint64_t due = let_out(&links[at / 2], at % 2);
      if (due != 0 && (next_ns == 0 || due < next_ns)) next_ns = due;
    }
    uint64_t at_ns = now_ns(), wait_ns = next_ns > at_ns ? next_ns - at_ns : 0;
    struct timespec wait = {.tv_sec = (time_t)(wait_ns / 1000000000u), .tv_nsec = (long)(wait_ns % 1000000000u)};
    if (ppoll(polled, (nfds_t)(2 * link_count + 1), next_ns == 0 ? NULL : &wait, NULL) < 0 && errno != EINTR)
      fail("poll");
    if (polled[2 * link_count].revents != 0) take_orders();
    for (int at = 0; at < 2 * link_count; at++)
      if (polled[at].revents != 0) take_in(&links[at / 2], at % 2);
  }
}
