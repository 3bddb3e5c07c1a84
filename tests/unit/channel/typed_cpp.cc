/* SPDX-License-Identifier: MIT */
/*
 * typed_cpp.cc - the typed wrappers in C++17.  A program of its own: prints one line,
 * exits 1 when something is wrong.
 */
#include <sockstream/select.h>

#include <cstdio>
#include <cstring>
#include <sys/socket.h>
#include <thread>

struct Reading {
    double value;
    int sensor;
};

SKS_TYPED(readings, Reading);
SKS_TYPED(letters, char);

static int failed;

#define EXPECT(ok) ((ok) ? (void)0 : (void)(failed++, std::printf("line %d: %s\n", __LINE__, #ok)))

static void values_cross_from_thread_to_thread()
{
    readings_sender tx;
    readings_receiver rx;
    Reading got = {};
    int n = 0;

    EXPECT(readings_channel(4, &tx, &rx) == 0);
    std::thread sender([tx] {
        for (int i = 0; i < 1000; i++)
            EXPECT(readings_send(tx, Reading{i / 2.0, i}) == 0);
        readings_sender_close(tx);
    });
    while (readings_recv(rx, &got) == 1) {
        EXPECT(got.sensor == n && got.value == n / 2.0);
        n++;
    }
    EXPECT(n == 1000);
    sender.join();
    readings_receiver_close(rx);
}

static void streams_and_batches_pass_values()
{
    letters_stream a, b;
    letters_sender tx;
    letters_receiver rx;
    char got[6] = {};

    EXPECT(letters_pair(4, &a, &b) == 0);
    EXPECT(letters_stream_send(a, 'x') == 0 && letters_stream_try_send(a, 'y') == 0);
    EXPECT(letters_stream_recv(b, got) == 1 && letters_stream_try_recv(b, got + 1) == 1);
    EXPECT(std::strcmp(got, "xy") == 0);
    EXPECT(letters_stream_shutdown(a, SHUT_WR) == 0 && letters_stream_recv(b, got) == 0);
    letters_stream_close(a);
    letters_stream_close(b);
    EXPECT(letters_channel(SKS_UNBOUNDED, &tx, &rx) == 0);
    EXPECT(letters_send_many(tx, "hello", 5, SKS_NEVER) == 5);
    EXPECT(letters_recv_many(rx, got, 5, SKS_NOW) == 5 && std::strcmp(got, "hello") == 0);
    EXPECT(letters_try_recv(rx, got) == -1 && letters_recv_until(rx, got, 1) == -1);
    EXPECT(letters_try_send(tx, 'a') == 0 && letters_send_until(tx, 'b', SKS_NOW) == 0);
    letters_sender_close(letters_sender_dup(tx));
    letters_receiver_close(letters_receiver_dup(rx));
    letters_sender_close(tx);
    letters_receiver_close(rx);
}

int main()
{
    values_cross_from_thread_to_thread();
    streams_and_batches_pass_values();
    std::printf("channel/typed_cpp: %d passed, %d failed, 0 skipped\n", failed ? 0 : 2, failed);
    return failed != 0;
}
