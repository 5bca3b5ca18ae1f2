/*
 * Load for layer-4 proxies: a server and clients that speak a private byte protocol behind a real
 * ClientHello, so that no TLS work of the generator blurs what is measured. One thread, epoll.
 *
 *   load serve PORT SKIP              SKIP = 1: each connection begins with a ClientHello to be skipped
 *   load rr    PORT HELLO CONNS SEC   one 64-byte request at a time on each kept connection
 *   load conn  PORT HELLO CONNS SEC   connect, hello, one request, close
 *   load bulk  PORT HELLO CONNS SEC   the server sends as fast as it can
 *   load idle  PORT HELLO CONNS 0     4 KiB each way, then silence until standard input ends
 *
 * HELLO is a file with the bytes to send first, or "-". Clients print one line of JSON.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE = 64, IDLE_BYTES = 4096, BULK = 1 << 18, EVENTS = 512, MAX_US = 2000000 };
enum mode { RR, CONN, BULK_MODE, IDLE };

struct conn {
  int fd;
  int is_server;
  int skip_header;  /* bytes of the record header still to come */
  int skip;         /* bytes of the hello still to come */
  unsigned char header[5];
  int streaming;
  int in;           /* bytes of the present message */
  char kind;
  uint64_t sent_us;
};

static int ep;
static char buffer[BULK];
static char hello[1 << 15];
static int hello_bytes;
static uint32_t *histogram;
static uint64_t count, bytes, failures;
/* Idle connections come some at a time: a burst would measure the proxy's buffers. */
enum { IDLE_AT_ONCE = 32 };
static int idle_ready, idle_started, idle_wanted;
static struct sockaddr_in target;

static uint64_t now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void die(const char *what) {
  perror(what);
  exit(1);
}

static void watch(struct conn *c, uint32_t events, int op) {
  struct epoll_event e = {.events = events, .data.ptr = c};
  if (epoll_ctl(ep, op, c->fd, &e) != 0) die("epoll_ctl");
}

static void no_delay(int fd) {
  int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static void drop(struct conn *c) {
  close(c->fd);
  free(c);
}

/* ---- server ---- */

static int server_skip(struct conn *c, const char *data, int n) {
  int used = 0;
  while (c->skip_header > 0 && used < n) {
    c->header[5 - c->skip_header--] = data[used++];
    if (c->skip_header == 0) c->skip = c->header[3] << 8 | c->header[4];
  }
  if (c->skip_header == 0 && c->skip > 0) {
    int k = n - used < c->skip ? n - used : c->skip;
    c->skip -= k;
    used += k;
  }
  return used;
}

static void server_event(struct conn *c, uint32_t events) {
  if (c->streaming && (events & EPOLLOUT)) {
    while (write(c->fd, buffer, BULK) > 0) continue;
    if (errno != EAGAIN) return drop(c);
  }
  if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR))) return;
  char data[16384];
  int n = read(c->fd, data, sizeof data);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) return drop(c);
  int used = server_skip(c, data, n), reply = 0;
  while (used < n) {
    if (c->in == 0) c->kind = data[used];
    int k = n - used < MESSAGE - c->in ? n - used : MESSAGE - c->in;
    c->in += k;
    used += k;
    if (c->in < MESSAGE) continue;
    c->in = 0;
    if (c->kind == 'B') {
      c->streaming = 1;
      watch(c, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
      return;
    }
    reply += MESSAGE;
  }
  if (reply > 0 && write(c->fd, buffer, reply) != reply) drop(c);
}

static void serve(int port, int skip) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  target.sin_port = htons(port);
  if (bind(fd, (struct sockaddr *)&target, sizeof target) != 0) die("bind");
  if (listen(fd, 8192) != 0) die("listen");
  socklen_t length = sizeof target;
  getsockname(fd, (struct sockaddr *)&target, &length);
  printf("{\"port\":%d}\n", ntohs(target.sin_port));
  fflush(stdout);
  struct conn listener = {.fd = fd};
  watch(&listener, EPOLLIN, EPOLL_CTL_ADD);
  for (;;) {
    struct epoll_event events[EVENTS];
    int n = epoll_wait(ep, events, EVENTS, -1);
    for (int i = 0; i < n; i++) {
      struct conn *c = events[i].data.ptr;
      if (c != &listener) {
        server_event(c, events[i].events);
        continue;
      }
      int accepted;
      while ((accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct conn *fresh = calloc(1, sizeof *fresh);
        fresh->fd = accepted;
        fresh->skip_header = skip ? 5 : 0;
        no_delay(accepted);
        watch(fresh, EPOLLIN, EPOLL_CTL_ADD);
      }
    }
  }
}

/* ---- clients ---- */

static void start(void) {
  struct conn *c = calloc(1, sizeof *c);
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (c->fd < 0) die("socket");
  no_delay(c->fd);
  c->sent_us = now_us();
  if (connect(c->fd, (struct sockaddr *)&target, sizeof target) != 0 && errno != EINPROGRESS) die("connect");
  watch(c, EPOLLOUT, EPOLL_CTL_ADD);
}

static void send_request(struct conn *c, enum mode mode, int with_hello) {
  char out[sizeof hello + IDLE_BYTES];
  int message = mode == IDLE ? IDLE_BYTES : MESSAGE;
  int n = 0;
  if (with_hello) {
    memcpy(out, hello, hello_bytes);
    n = hello_bytes;
  }
  memset(out + n, mode == BULK_MODE ? 'B' : 'R', message);
  n += message;
  if (mode == RR) c->sent_us = now_us();
  if (write(c->fd, out, n) != n) failures++;
}

static void client_read(struct conn *c, enum mode mode) {
  int n = read(c->fd, buffer, mode == BULK_MODE ? BULK : IDLE_BYTES);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) {
    failures++;
    drop(c);
    if (mode != BULK_MODE) start();
    return;
  }
  bytes += n;
  if (mode == BULK_MODE) return;
  c->in += n;
  if (c->in < (mode == IDLE ? IDLE_BYTES : MESSAGE)) return;
  c->in = 0;
  count++;
  uint64_t took = now_us() - c->sent_us;
  histogram[took < MAX_US ? took : MAX_US - 1]++;
  if (mode == RR) return send_request(c, mode, 0);
  if (mode == IDLE) {
    idle_ready++;
    if (++idle_started <= idle_wanted) start();
    return;
  }
  /* A reset frees the port at once: thousands of connections a second would run out of them. */
  struct linger hard = {1, 0};
  setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  drop(c);
  start();
}

static void client_event(struct conn *c, uint32_t events, enum mode mode) {
  if (events & EPOLLOUT) {
    watch(c, EPOLLIN, EPOLL_CTL_MOD);
    send_request(c, mode, 1);
    return;
  }
  client_read(c, mode);
}

static uint64_t quantile(double q) {
  uint64_t total = 0, seen = 0;
  for (int i = 0; i < MAX_US; i++) total += histogram[i];
  for (int i = 0; i < MAX_US; i++)
    if ((seen += histogram[i]) > (uint64_t)(total * q)) return i;
  return 0;
}

static void run(enum mode mode, int conns, double seconds) {
  uint64_t begin = 0, end = UINT64_MAX;
  idle_wanted = conns;
  idle_started = mode == IDLE && conns > IDLE_AT_ONCE ? IDLE_AT_ONCE : conns;
  for (int i = 0; i < idle_started; i++) start();
  uint64_t warm = now_us() + 300000;
  for (;;) {
    struct epoll_event events[EVENTS];
    int n = epoll_wait(ep, events, EVENTS, 100);
    for (int i = 0; i < n; i++) client_event(events[i].data.ptr, events[i].events, mode);
    uint64_t now = now_us();
    if (mode == IDLE) {
      if (idle_ready < conns) continue;
      printf("{\"ready\":%d,\"failures\":%lu}\n", idle_ready, failures);
      fflush(stdout);
      while (read(0, buffer, 1) > 0) continue;
      return;
    }
    if (begin == 0 && now >= warm) {
      begin = now;
      end = now + (uint64_t)(seconds * 1e6);
      count = bytes = 0;
      memset(histogram, 0, sizeof *histogram * MAX_US);
      printf("{\"begin\":true}\n");
      fflush(stdout);
    }
    if (begin != 0 && now >= end) {
      double took = (now - begin) / 1e6;
      printf("{\"count\":%lu,\"bytes\":%lu,\"seconds\":%.6f,\"failures\":%lu,\"p50us\":%lu,\"p99us\":%lu}\n", count,
             bytes, took, failures, quantile(0.5), quantile(0.99));
      return;
    }
  }
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  signal(SIGPIPE, SIG_IGN);
  struct rlimit files = {65536, 65536};
  setrlimit(RLIMIT_NOFILE, &files);
  ep = epoll_create1(0);
  memset(buffer, 'x', sizeof buffer);
  target.sin_family = AF_INET;
  target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (strcmp(argv[1], "serve") == 0) serve(atoi(argv[2]), atoi(argv[3]));
  if (argc < 6) return 2;
  target.sin_port = htons(atoi(argv[2]));
  histogram = calloc(MAX_US, sizeof *histogram);
  if (strcmp(argv[3], "-") != 0) {
    int fd = open(argv[3], O_RDONLY);
    if (fd < 0 || (hello_bytes = read(fd, hello, sizeof hello)) <= 0) die(argv[3]);
    close(fd);
  }
  enum mode mode = strcmp(argv[1], "rr") == 0     ? RR
                   : strcmp(argv[1], "conn") == 0 ? CONN
                   : strcmp(argv[1], "bulk") == 0 ? BULK_MODE
                                                  : IDLE;
  run(mode, atoi(argv[4]), atof(argv[5]));
  return 0;
}
