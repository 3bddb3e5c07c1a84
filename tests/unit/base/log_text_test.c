/* SPDX-License-Identifier: MIT */
/* log_text_test.c - bounded text, and untrusted text made harmless. */
#include "base/log.h"
#include "lib/harness.h"

#include <string.h>

static char out[256];

static const char *escaped_n(const char *s, size_t n, enum sksi_escape how)
{
    struct sksi_text t = sksi_text_in(out, sizeof out);

    sksi_text_escape(&t, s, n, how);
    return out;
}

static const char *escaped(const char *s, enum sksi_escape how)
{
    return escaped_n(s, SIZE_MAX, how);
}

#define assert_plain(s, expected) assert_string_equal(escaped((s), SKSI_ESCAPE_PLAIN), (expected))
#define assert_quoted(s, expected) assert_string_equal(escaped((s), SKSI_ESCAPE_QUOTED), (expected))
#define assert_json(s, expected) assert_string_equal(escaped((s), SKSI_ESCAPE_JSON), (expected))

static void text_that_prints_stays_as_it_is(void **state)
{
    static const char text[] = "plain ASCII, \xc3\xa9t\xc3\xa9, \xe2\x82\xac, \xf0\x9f\x99\x82";

    (void)state;
    assert_plain(text, text);
    assert_quoted(text, text);
    assert_json(text, text);
}

static void control_characters_are_escaped(void **state)
{
    (void)state;
    assert_plain("a\nb\033[31m\x7f\t", "a\\x0ab\\x1b[31m\\x7f\\x09");
    assert_quoted("a\r\n", "a\\x0d\\x0a");
    assert_json("a\nb\033\x7f", "a\\u000ab\\u001b\\u007f");
}

static void every_c0_control_is_escaped(void **state)
{
    (void)state;
    for (int c = 1; c < 0x20; c++) {
        char s[2] = {(char)c, '\0'};

        assert_int_equal(strlen(escaped(s, SKSI_ESCAPE_PLAIN)), 4);
        assert_int_equal(strlen(escaped(s, SKSI_ESCAPE_JSON)), 6);
    }
}

/* CSI as one character: some terminals take it as ESC [. */
static void c1_controls_are_escaped(void **state)
{
    (void)state;
    assert_plain("\xc2\x9b"
                 "31m",
                 "\\xc2\\x9b31m");
    assert_json("\xc2\x9b"
                "31m",
                "\\u009b31m");
    assert_plain("\xc2\xa0", "\xc2\xa0");
}

static void line_separators_and_direction_changes_are_escaped(void **state)
{
    (void)state;
    assert_plain("\xe2\x80\xa8", "\\xe2\\x80\\xa8");
    assert_json("\xe2\x80\xa9", "\\u2029");
    assert_json("\xe2\x80\xae", "\\u202e");
    assert_json("\xe2\x81\xa6", "\\u2066");
    assert_json("\xe2\x80\x8f", "\\u200f");
}

static void bytes_that_are_not_utf8_are_escaped(void **state)
{
    (void)state;
    assert_plain("\xff", "\\xff");
    assert_json("\xff", "\\u00ff");
    assert_plain("\x80"
                 "a",
                 "\\x80a");        /* continues nothing */
    assert_plain("\xc3", "\\xc3"); /* ends too early */
    assert_plain("\xe2\x82"
                 "a",
                 "\\xe2\\x82a");            /* likewise */
    assert_plain("\xc0\xaf", "\\xc0\\xaf"); /* a slash, overlong */
    assert_plain("\xe0\x80\x8a", "\\xe0\\x80\\x8a");
    assert_plain("\xed\xa0\x80", "\\xed\\xa0\\x80"); /* a surrogate */
    assert_plain("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80");
    assert_plain("\xf8\x88\x80\x80\x80", "\\xf8\\x88\\x80\\x80\\x80");
}

static void edges_of_utf8_stay(void **state)
{
    static const char *const edges[] = {
        "\xc3\x80",     "\xdf\xbf",     "\xe0\xa0\x80",     "\xed\x9f\xbf",
        "\xee\x80\x80", "\xef\xbf\xbd", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf",
    };

    (void)state;
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++)
        assert_plain(edges[i], edges[i]);
}

static void quotes_and_backslash_are_escaped_where_they_matter(void **state)
{
    (void)state;
    assert_plain("a\"b\\c", "a\"b\\\\c");
    assert_quoted("a\"b\\c", "a\\\"b\\\\c");
    assert_json("a\"b\\c", "a\\\"b\\\\c");
}

static void escape_reads_no_further_than_asked(void **state)
{
    (void)state;
    assert_string_equal(escaped_n("abcdef", 3, SKSI_ESCAPE_PLAIN), "abc");
    assert_string_equal(escaped_n("ab\xe2\x82\xac", 4, SKSI_ESCAPE_PLAIN), "ab\\xe2\\x82");
    assert_string_equal(escaped_n("ab\0cd", 5, SKSI_ESCAPE_PLAIN), "ab");
}

static void text_counts_on_when_it_is_full(void **state)
{
    char buf[6];
    struct sksi_text t = sksi_text_in(buf, sizeof buf);

    (void)state;
    sksi_text_add(&t, "abc");
    sksi_text_add(&t, "defgh");
    assert_string_equal(buf, "abcde");
    assert_int_equal(t.len, 8);
}

static void text_without_room_only_counts(void **state)
{
    struct sksi_text t = sksi_text_in(NULL, 0);

    (void)state;
    sksi_text_add(&t, "abc");
    sksi_text_put(&t, 'd');
    assert_int_equal(t.len, 4);
    assert_int_equal(sksi_text_close(&t), 0);
}

static void text_that_fits_is_closed_as_it_is(void **state)
{
    char buf[4];
    struct sksi_text t = sksi_text_in(buf, sizeof buf);

    (void)state;
    sksi_text_add(&t, "abc");
    assert_int_equal(sksi_text_close(&t), 3);
    assert_string_equal(buf, "abc");
}

static void text_that_was_cut_ends_with_dots(void **state)
{
    char buf[8];
    struct sksi_text t = sksi_text_in(buf, sizeof buf);

    (void)state;
    sksi_text_add(&t, "abcdefgh");
    assert_int_equal(sksi_text_close(&t), 7);
    assert_string_equal(buf, "abcd...");
}

static void text_is_not_cut_inside_a_character(void **state)
{
    char buf[8];
    struct sksi_text t = sksi_text_in(buf, sizeof buf);

    (void)state;
    sksi_text_add(&t, "abc\xe2\x82\xac"
                      "defgh");
    assert_int_equal(sksi_text_close(&t), 6);
    assert_string_equal(buf, "abc...");
}

SKS_TESTS("base/log_text", cmocka_unit_test(text_that_prints_stays_as_it_is),
          cmocka_unit_test(control_characters_are_escaped),
          cmocka_unit_test(every_c0_control_is_escaped), cmocka_unit_test(c1_controls_are_escaped),
          cmocka_unit_test(line_separators_and_direction_changes_are_escaped),
          cmocka_unit_test(bytes_that_are_not_utf8_are_escaped),
          cmocka_unit_test(edges_of_utf8_stay),
          cmocka_unit_test(quotes_and_backslash_are_escaped_where_they_matter),
          cmocka_unit_test(escape_reads_no_further_than_asked),
          cmocka_unit_test(text_counts_on_when_it_is_full),
          cmocka_unit_test(text_without_room_only_counts),
          cmocka_unit_test(text_that_fits_is_closed_as_it_is),
          cmocka_unit_test(text_that_was_cut_ends_with_dots),
          cmocka_unit_test(text_is_not_cut_inside_a_character))
