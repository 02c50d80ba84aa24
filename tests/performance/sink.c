/*
 * An SMTP server that takes every message and keeps none: what the benchmark sends to.
 *
 *     sink [-n] [-d MILLISECONDS] [-k HEADER]
 *
 * -n  does not offer PIPELINING
 * -d  holds every reply back for so long. What came in one read is answered together: a round
 *     trip, not a bandwidth
 * -k  the header that tells messages apart (default Message-ID)
 *
 * It listens on a free port of 127.0.0.1 and prints its number. SIGUSR1 prints the counts as one
 * line of JSON, SIGTERM prints them and ends it. It ends with the process that started it.
 *
 * One thread, one epoll. It has to cost less than whatever is measured against it: a body is
 * looked at line end by line end, and only the beginning of a message is copied.
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum {
    READ_BYTES = 64 * 1024,
    HEAD_BYTES = 4096,  /* of a message, kept until its end: the key stands in there */
    LINE_BYTES = 1024,  /* of a command */
    EVENTS = 256,
};

static const char END_OF_BODY[] = "\r\n.\r\n";

typedef struct {
    int fd; /* -1 once it is closed */
    bool in_body, has_sender, has_recipient, is_leaving;
    int matched; /* so many octets of END_OF_BODY were the last ones read */
    int pending; /* replies held back that still name this connection */
    size_t line_length, head_length;
    char line[LINE_BYTES], head[HEAD_BYTES];
} Connection;

typedef struct {
    int64_t due; /* nanoseconds of the monotonic clock */
    Connection *connection;
    size_t length;
    char *text;
} Held;

static struct {
    uint64_t messages, duplicates, without_key, octets, connections, open, most_open;
    int64_t first_at, last_at; /* when the first and the last final dot came */
} counts;

static bool offers_pipelining = true;
static int64_t delay; /* nanoseconds */
static const char *key_header = "Message-ID";
static int events, timer;
static char replies[32 * READ_BYTES]; /* to one read; none is longer than 32 times its command */
static size_t replies_length;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void *must(void *memory) {
    if (!memory) fail("memory");
    return memory;
}

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static void watch(int fd, void *what) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};
    if (epoll_ctl(events, EPOLL_CTL_ADD, fd, &event)) fail("epoll_ctl");
}

/* --- the keys seen: 64-bit hashes in an open table, at most half full --- */

static uint64_t *seen;
static size_t seen_count, seen_room;

static bool insert(uint64_t hash) { /* says whether it is new */
    size_t place = hash & (seen_room - 1);
    while (seen[place] && seen[place] != hash) place = (place + 1) & (seen_room - 1);
    if (seen[place]) return false;
    seen[place] = hash;
    return true;
}

static bool is_new(const char *key, size_t length) {
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
    for (size_t i = 0; i < length; i++) hash = (hash ^ (unsigned char)key[i]) * UINT64_C(1099511628211);
    if (!hash) hash = 1; /* 0 is an empty place */
    if (2 * seen_count >= seen_room) {
        uint64_t *old = seen;
        size_t old_room = seen_room;
        seen_room = old_room ? 2 * old_room : 1 << 17;
        seen = must(calloc(seen_room, sizeof *seen));
        for (size_t i = 0; i < old_room; i++)
            if (old[i]) insert(old[i]);
        free(old);
    }
    bool new = insert(hash);
    seen_count += new;
    return new;
}

/* --- one message --- */

static void count_message(const Connection *c) {
    size_t name_length = strlen(key_header);
    const char *line = c->head, *end = c->head + c->head_length;
    int64_t at = now();

    counts.messages++;
    counts.last_at = at;
    if (!counts.first_at) counts.first_at = at;
    while (line < end && *line != '\r') { /* an empty line ends the headers */
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        if (!stop) break;
        if ((size_t)(stop - line) > name_length && line[name_length] == ':' &&
            !strncasecmp(line, key_header, name_length)) {
            const char *value = line + name_length + 1;
            counts.duplicates += !is_new(value, (size_t)(stop - value));
            return;
        }
        line = stop + 1;
    }
    counts.without_key++;
}

/* Swallow a body; gives what follows it, or NULL when it goes on in the next read. */
static const char *swallow(Connection *c, const char *from, const char *end) {
    const char *at = from;
    if (c->head_length < HEAD_BYTES) {
        size_t room = HEAD_BYTES - c->head_length, length = (size_t)(end - from);
        if (length > room) length = room;
        memcpy(c->head + c->head_length, from, length);
        c->head_length += length;
    }
    while (at < end) {
        if (!c->matched && !(at = memchr(at, '\r', (size_t)(end - at)))) break;
        char octet = *at++;
        if (octet == END_OF_BODY[c->matched])
            c->matched++;
        else
            c->matched = octet == '\r';
        if (c->matched == sizeof END_OF_BODY - 1) {
            counts.octets += (uint64_t)(at - from);
            return at;
        }
    }
    counts.octets += (uint64_t)(end - from);
    return NULL;
}

/* --- the dialogue --- */

static void reply(const char *text) {
    size_t length = strlen(text);
    memcpy(replies + replies_length, text, length);
    replies_length += length;
}

static bool is(const char *line, const char *verb) {
    return !strncasecmp(line, verb, 4);
}

static void obey(Connection *c, const char *line) {
    if (is(line, "MAIL")) {
        c->has_sender = true;
        reply("250 2.1.0 Ok\r\n");
    } else if (is(line, "RCPT")) {
        c->has_recipient = c->has_sender;
        reply(c->has_sender ? "250 2.1.5 Ok\r\n" : "503 5.5.1 MAIL first\r\n");
    } else if (is(line, "DATA")) {
        c->in_body = c->has_recipient;
        c->head_length = 0;
        c->matched = 2; /* a lone dot on the first line ends it too */
        reply(c->in_body ? "354 Go ahead\r\n" : "503 5.5.1 RCPT first\r\n");
    } else if (is(line, "EHLO")) {
        reply("250-sink.example\r\n");
        if (offers_pipelining) reply("250-PIPELINING\r\n");
        reply("250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 SIZE 0\r\n");
    } else if (is(line, "HELO") || is(line, "NOOP")) {
        reply("250 sink.example\r\n");
    } else if (is(line, "RSET")) {
        c->has_sender = c->has_recipient = false;
        reply("250 2.0.0 Ok\r\n");
    } else if (is(line, "QUIT")) {
        c->is_leaving = true;
        reply("221 2.0.0 Bye\r\n");
    } else {
        reply("500 5.5.2 What?\r\n");
    }
}

/* Take one command line, perhaps begun in an earlier read; gives what follows it. */
static const char *take_line(Connection *c, const char *from, const char *end) {
    const char *stop = memchr(from, '\n', (size_t)(end - from));
    const char *next = stop ? stop + 1 : end;
    size_t length = (size_t)(next - from);
    if (c->line_length + length >= LINE_BYTES) length = LINE_BYTES - 1 - c->line_length;
    memcpy(c->line + c->line_length, from, length);
    c->line_length += length;
    if (stop) {
        c->line[c->line_length] = '\0';
        c->line_length = 0;
        obey(c, c->line);
    }
    return next;
}

static void hear(Connection *c, const char *at, const char *end) {
    while (at && at < end) {
        if (!c->in_body) {
            at = take_line(c, at, end);
        } else if ((at = swallow(c, at, end))) {
            c->in_body = c->has_sender = c->has_recipient = false;
            count_message(c);
            reply("250 2.0.0 Ok\r\n");
        }
    }
}

/* --- connections, and replies that are held back --- */

static Held *held; /* a ring: all are held back equally long, so the oldest is due first */
static size_t held_first, held_count, held_room;

static void let_go(Connection *c) {
    if (c->fd >= 0) {
        close(c->fd);
        c->fd = -1;
        counts.open--;
    }
    if (!c->pending) free(c);
}

static bool say(Connection *c, const char *text, size_t length) {
    ssize_t sent = send(c->fd, text, length, MSG_NOSIGNAL);
    return sent == (ssize_t)length && !c->is_leaving; /* who reads no replies is left alone */
}

static void set_timer(int64_t due) {
    struct itimerspec at = {.it_value = {due / 1000000000, due % 1000000000}};
    if (timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL)) fail("timerfd_settime");
}

static void hold(Connection *c) {
    if (held_count == held_room) {
        size_t room = held_room ? 2 * held_room : 1024;
        Held *more = must(malloc(room * sizeof *more));
        for (size_t i = 0; i < held_count; i++) more[i] = held[(held_first + i) % held_room];
        free(held);
        held = more;
        held_first = 0;
        held_room = room;
    }
    Held *last = &held[(held_first + held_count++) % held_room];
    *last = (Held){now() + delay, c, replies_length, must(malloc(replies_length))};
    memcpy(last->text, replies, replies_length);
    c->pending++;
    if (held_count == 1) set_timer(last->due);
}

static void release_due(void) {
    uint64_t expirations;
    if (read(timer, &expirations, sizeof expirations) < 0 && errno != EAGAIN) fail("timerfd");
    for (int64_t at = now(); held_count && held[held_first].due <= at; held_count--) {
        Held *first = &held[held_first];
        Connection *c = first->connection;
        held_first = (held_first + 1) % held_room;
        c->pending--;
        if (c->fd < 0 || (!say(c, first->text, first->length) && !c->pending)) let_go(c);
        free(first->text);
    }
    if (held_count) set_timer(held[held_first].due);
}

static void answer(Connection *c) {
    if (!replies_length) return;
    if (delay)
        hold(c);
    else if (!say(c, replies, replies_length))
        let_go(c);
}

static void welcome(int listener) {
    int fd, yes = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        Connection *c = must(calloc(1, sizeof *c));
        c->fd = fd;
        counts.connections++;
        if (++counts.open > counts.most_open) counts.most_open = counts.open;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        watch(fd, c);
        replies_length = 0;
        reply("220 sink.example ESMTP\r\n");
        answer(c);
    }
}

static void serve(Connection *c) {
    static char octets[READ_BYTES];
    ssize_t length = recv(c->fd, octets, sizeof octets, 0);
    if (length < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (length <= 0) {
        let_go(c);
        return;
    }
    replies_length = 0;
    hear(c, octets, octets + length);
    answer(c);
}

static void report(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    double cpu = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                 (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    printf("{\"messages\": %lu, \"distinct\": %zu, \"duplicates\": %lu, \"without_key\": %lu, "
           "\"octets\": %lu, \"connections\": %lu, \"most_open\": %lu, \"first_at\": %.6f, "
           "\"last_at\": %.6f, \"cpu_seconds\": %.6f}\n",
           counts.messages, seen_count, counts.duplicates, counts.without_key, counts.octets,
           counts.connections, counts.most_open, (double)counts.first_at / 1e9,
           (double)counts.last_at / 1e9, cpu);
    fflush(stdout);
}

static int listen_somewhere(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) ||
        listen(listener, 1024) || getsockname(listener, (struct sockaddr *)&address, &length))
        fail("listen");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

static int listen_to_signals(void) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    return signalfd(-1, &signals, SFD_CLOEXEC);
}

int main(int argc, char **argv) {
    for (int option; (option = getopt(argc, argv, "nd:k:")) != -1;) {
        if (option == 'n') offers_pipelining = false;
        else if (option == 'd') delay = (int64_t)(atof(optarg) * 1e6);
        else if (option == 'k') key_header = optarg;
        else return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    events = epoll_create1(EPOLL_CLOEXEC);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    int signals = listen_to_signals(), listener = listen_somewhere();
    watch(timer, &timer);
    watch(signals, &signals);
    watch(listener, &listener);
    for (;;) {
        struct epoll_event ready[EVENTS];
        int count = epoll_wait(events, ready, EVENTS, -1);
        bool is_due = false;
        for (int i = 0; i < count; i++) {
            void *what = ready[i].data.ptr;
            if (what == &timer) {
                is_due = true; /* last: it may free connections that are ready too */
            } else if (what == &listener) {
                welcome(listener);
            } else if (what == &signals) {
                struct signalfd_siginfo signal;
                if (read(signals, &signal, sizeof signal) < 0) fail("signalfd");
                report();
                if (signal.ssi_signo == SIGTERM) return 0;
            } else {
                serve(what);
            }
        }
        if (is_due) release_due();
    }
}
