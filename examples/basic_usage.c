/* SPDX-License-Identifier: MIT */
/* basic_usage.c - one thread sends two messages, the other receives until the end. */
#include <errno.h>
#include <pthread.h>
#include <sockstream/sockstream.h>
#include <stdio.h>
#include <string.h>
SKS_TYPED(text, const char *);

static void *sender(void *end)
{
    text_stream s = *(text_stream *)end;
    text_stream_send(s, "Hello");
    text_stream_send(s, "World");
    text_stream_close(s); /* the peer receives what is in flight, then the end */
    sks_info("Sender", "sent two messages, closed");
    return NULL;
}

int main(void)
{
    text_stream here, there;
    const char *text;
    pthread_t t;
    if (sks_log_from_env() || text_pair(5, &here, &there) ||
        (errno = pthread_create(&t, NULL, sender, &there)))
        return fprintf(stderr, "basic_usage: %s %s\n", strerror(errno), sks_log_error()), 1;
    while (text_stream_recv(here, &text) == 1)
        puts(text);
    sks_info("Receiver", "end of stream");
    puts("end of stream");
    text_stream_close(here);
    pthread_join(t, NULL);
    return fflush(stdout) ? perror("basic_usage"), 1 : 0;
}
