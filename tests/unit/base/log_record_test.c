/* SPDX-License-Identifier: MIT */
/* log_record_test.c - a printf format and its arguments become a message and fields. */
#include "base/log.h"
#include "lib/harness.h"

#include <stdio.h>
#include <string.h>

static struct sksi_log_text record;

/* No format attribute: the tests also give formats that a compiler refuses. */
static void print(const char *format, ...)
{
    va_list args;

    memset(&record, 'z', sizeof record);
    va_start(args, format);
    sksi_log_record_print(&record, format, args);
    va_end(args);
}

#define assert_message(expected) assert_string_equal(record.record.message, (expected))

static void assert_field(size_t i, const char *key, const char *value, bool quoted)
{
    assert_true(i < record.record.n_fields);
    assert_string_equal(record.record.fields[i].key, key);
    assert_string_equal(record.record.fields[i].value, value);
    assert_int_equal(record.record.fields[i].quoted, quoted);
}

static void message_alone_has_no_fields(void **state)
{
    (void)state;
    print("no more input");
    assert_message("no more input");
    assert_int_equal(record.record.n_fields, 0);
    print("");
    assert_message("");
    assert_int_equal(record.record.n_fields, 0);
}

static void words_with_key_and_conversion_are_fields(void **state)
{
    (void)state;
    print("sending batch items=%zu peer=%s", (size_t)7, "a b");
    assert_message("sending batch");
    assert_int_equal(record.record.n_fields, 2);
    assert_field(0, "items", "7", false);
    assert_field(1, "peer", "a b", true);
}

static void fields_alone_leave_the_message_empty(void **state)
{
    (void)state;
    print("n=%d c=%c", 1, 'x');
    assert_message("");
    assert_field(0, "n", "1", false);
    assert_field(1, "c", "x", true);
}

static void conversions_in_the_message_are_printed(void **state)
{
    (void)state;
    print("%s is at %d%% of %s", "gzip", 42, "it");
    assert_message("gzip is at 42% of it");
    assert_int_equal(record.record.n_fields, 0);
}

static void words_after_a_field_go_on_with_the_message(void **state)
{
    (void)state;
    print("took n=%d in %d ms", 3, 4);
    assert_message("took in 4 ms");
    assert_int_equal(record.record.n_fields, 1);
    assert_field(0, "n", "3", false);
}

static void words_that_are_more_than_one_conversion_are_message(void **state)
{
    (void)state;
    print("a=%d/%d b=%d%% =%d 1x=%d state=open", 1, 2, 3, 4, 5);
    assert_message("a=1/2 b=3% =4 1x=5 state=open");
    assert_int_equal(record.record.n_fields, 0);
}

static void spaces_are_kept_as_they_are(void **state)
{
    (void)state;
    print("  two  spaces ");
    assert_message("  two  spaces ");
}

/* format, argument, and what printf itself makes of them */
#define assert_converts(spec, ...)                                                                 \
    do {                                                                                           \
        char expected_[128];                                                                       \
        snprintf(expected_, sizeof expected_, spec, __VA_ARGS__);                                  \
        print("m k=" spec, __VA_ARGS__);                                                           \
        assert_message("m");                                                                       \
        assert_string_equal(record.record.fields[0].value, expected_);                             \
        print("m" spec ".", __VA_ARGS__);                                                          \
        assert_memory_equal(record.record.message + 1, expected_, strlen(expected_));              \
    } while (0)

static void integers_convert_as_printf(void **state)
{
    (void)state;
    assert_converts("%d", -42);
    assert_converts("%i", INT32_MIN);
    assert_converts("%u", UINT32_MAX);
    assert_converts("%x", 0xbeefu);
    assert_converts("%X", 0xbeefu);
    assert_converts("%o", 8u);
    assert_converts("%#x", 255u);
    assert_converts("%+d", 5);
    assert_converts("% d", 5);
    assert_converts("%05d", -5);
    assert_converts("%-6d", 5);
    assert_converts("%8.3d", 5);
}

static void lengths_convert_as_printf(void **state)
{
    (void)state;
    assert_converts("%hhd", (signed char)-1);
    assert_converts("%hhu", (unsigned char)200);
    assert_converts("%hd", (short)-300);
    assert_converts("%hu", (unsigned short)60000);
    assert_converts("%ld", INT64_MIN);
    assert_converts("%lu", UINT64_MAX);
    assert_converts("%lld", -1LL);
    assert_converts("%llx", 0x123456789abcdefULL);
    assert_converts("%zu", SIZE_MAX);
    assert_converts("%zd", (ssize_t)-1);
    assert_converts("%jd", INTMAX_MIN);
    assert_converts("%ju", UINTMAX_MAX);
    assert_converts("%td", (ptrdiff_t)-9);
}

static void reals_and_pointers_convert_as_printf(void **state)
{
    int here;

    (void)state;
    assert_converts("%f", 1.5);
    assert_converts("%.3f", 2.0 / 3);
    assert_converts("%10.2e", 12345.678);
    assert_converts("%g", 1e-9);
    assert_converts("%lf", 0.25);
    assert_converts("%f", 1.0 / 0.0);
    assert_converts("%p", (void *)&here);
    assert_converts("%p", (void *)NULL);
}

static void text_converts_as_printf(void **state)
{
    (void)state;
    assert_converts("%s", "text");
    assert_converts("%s", "");
    assert_converts("%10s", "right");
    assert_converts("%-10s", "left");
    assert_converts("%.2s", "cut");
    assert_converts("%6.2s", "cut");
    assert_converts("%c", 'x');
    assert_converts("%3c", 'x');
}

static void precision_bounds_what_is_read_of_a_string(void **state)
{
    char unterminated[3] = {'a', 'b', 'c'};

    (void)state;
    print("k=%.3s", unterminated);
    assert_field(0, "k", "abc", true);
}

static void null_text_and_nul_character_are_visible(void **state)
{
    (void)state;
    print("s=%s c=%c", (char *)NULL, 0);
    assert_field(0, "s", "(null)", true);
    assert_field(1, "c", "\\0", true);
}

static void unknown_conversion_leaves_the_rest_as_it_is_written(void **state)
{
    (void)state;
    print("a=%d b=%*d c=%d", 1, 2, 3, 4);
    assert_message("b=%*d c=%d");
    assert_int_equal(record.record.n_fields, 1);
    print("w=%.*s", 2, "abc");
    assert_message("w=%.*s");
    print("%n %d", NULL, 1);
    assert_message("%n %d");
    print("%Lf %d", 1.0L, 1);
    assert_message("%Lf %d");
    print("%ls", L"wide");
    assert_message("%ls");
    print("100%");
    assert_message("100%");
    print("%99999d", 1);
    assert_message("%99999d");
    print("%0000000000000000d", 1);
    assert_message("%0000000000000000d");
}

static void long_message_is_cut_visibly(void **state)
{
    char text[2000];

    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    print("%s k=%d", text, 5);
    assert_int_equal(strlen(record.record.message), SKSI_LOG_MESSAGE - 1);
    assert_string_equal(record.record.message + SKSI_LOG_MESSAGE - 4, "...");
    assert_field(0, "k", "5", false);
    print("%s%d%f", text, 5, 1.0);
    assert_string_equal(record.record.message + SKSI_LOG_MESSAGE - 4, "...");
}

static void long_value_is_cut_visibly(void **state)
{
    char text[5000];

    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    print("m a=%s b=%d c=%2000d", text, 7, 8);
    assert_int_equal(strlen(record.record.fields[0].value), SKSI_LOG_VALUE - 1);
    assert_string_equal(record.record.fields[0].value + SKSI_LOG_VALUE - 4, "...");
    assert_field(1, "b", "7", false);
    assert_string_equal(record.record.fields[2].value + SKSI_LOG_VALUE - 4, "...");
}

/* Four values fill the room: the fifth is cut to nothing, and what does not even
 * have room for a key is in the message. */
static void values_that_fill_the_room_are_cut_and_counted(void **state)
{
    char text[2000];

    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    print("m a=%s b=%s c=%s d=%s e=%s f=%d g=%d h=%d", text, text, text, text, text, 1, 2, 3);
    assert_true(record.used <= sizeof record.values);
    assert_int_equal(record.record.n_fields, 4);
    assert_string_equal(record.record.fields[3].key, "d");
    assert_non_null(strstr(record.record.fields[3].value, "xxx..."));
    assert_memory_equal(record.record.message, "m e=xxx", 7);
}

static void fields_after_the_sixteenth_are_message(void **state)
{
    (void)state;
    print("m a=%d b=%d c=%d d=%d e=%d f=%d g=%d h=%d i=%d j=%d k=%d l=%d m=%d n=%d o=%d p=%d q=%d "
          "r=%s",
          1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, "end");
    assert_int_equal(record.record.n_fields, SKSI_LOG_FIELDS);
    assert_field(15, "p", "16", false);
    assert_message("m q=17 r=end");
}

static void key_that_is_too_long_is_message(void **state)
{
    char format[SKSI_LOG_KEY + 8];

    (void)state;
    memset(format, 'k', SKSI_LOG_KEY);
    strcpy(format + SKSI_LOG_KEY, "=%d");
    print(format, 1);
    assert_int_equal(record.record.n_fields, 0);
    assert_non_null(strstr(record.record.message, "k=1"));
}

static void keys_may_have_dots_digits_and_dashes(void **state)
{
    (void)state;
    print("http.status-2=%d _x=%d", 200, 1);
    assert_field(0, "http.status-2", "200", false);
    assert_field(1, "_x", "1", false);
}

SKS_TESTS("base/log_record", cmocka_unit_test(message_alone_has_no_fields),
          cmocka_unit_test(words_with_key_and_conversion_are_fields),
          cmocka_unit_test(fields_alone_leave_the_message_empty),
          cmocka_unit_test(conversions_in_the_message_are_printed),
          cmocka_unit_test(words_after_a_field_go_on_with_the_message),
          cmocka_unit_test(words_that_are_more_than_one_conversion_are_message),
          cmocka_unit_test(spaces_are_kept_as_they_are),
          cmocka_unit_test(integers_convert_as_printf), cmocka_unit_test(lengths_convert_as_printf),
          cmocka_unit_test(reals_and_pointers_convert_as_printf),
          cmocka_unit_test(text_converts_as_printf),
          cmocka_unit_test(precision_bounds_what_is_read_of_a_string),
          cmocka_unit_test(null_text_and_nul_character_are_visible),
          cmocka_unit_test(unknown_conversion_leaves_the_rest_as_it_is_written),
          cmocka_unit_test(long_message_is_cut_visibly),
          cmocka_unit_test(long_value_is_cut_visibly),
          cmocka_unit_test(values_that_fill_the_room_are_cut_and_counted),
          cmocka_unit_test(fields_after_the_sixteenth_are_message),
          cmocka_unit_test(key_that_is_too_long_is_message),
          cmocka_unit_test(keys_may_have_dots_digits_and_dashes))
