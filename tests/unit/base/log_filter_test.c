/* SPDX-License-Identifier: MIT */
/* log_filter_test.c - parsing and matching of filters, and what is said when one is wrong. */
#include "base/log.h"
#include "lib/harness.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The level that `filter` gives `component`. */
static sks_log_level level_of(const char *filter, const char *component)
{
    struct sksi_log_filter *f = sksi_log_filter_parse(filter, "");
    sks_log_level level;

    if (!f)
        fail_msg("\"%s\": %s", filter, sks_log_error());
    level = sksi_log_filter_level(f, component);
    assert_true(level >= f->least && level <= f->most);
    free(f);
    return level;
}

/* Parses a filter that is wrong; what is said about it. */
static const char *error_of(const char *filter)
{
    errno = 0;
    assert_null(sksi_log_filter_parse(filter, "SKS_LOG: "));
    assert_int_equal(errno, EINVAL);
    return sks_log_error();
}

static void every_level_parses(void **state)
{
    (void)state;
    for (int i = SKS_LOG_OFF; i <= SKS_LOG_TRACE; i++)
        assert_int_equal(level_of(sksi_log_level_names[i], "any"), i);
}

static void level_parses_in_any_case_and_between_spaces(void **state)
{
    (void)state;
    assert_int_equal(level_of(" INFO ", "any"), SKS_LOG_INFO);
    assert_int_equal(level_of("off, channel = Debug\t", "channel"), SKS_LOG_DEBUG);
}

static void component_without_rule_is_off_unless_a_level_stands_alone(void **state)
{
    (void)state;
    assert_int_equal(level_of("channel=debug", "pipeline"), SKS_LOG_OFF);
    assert_int_equal(level_of("channel=debug,warn", "pipeline"), SKS_LOG_WARN);
    assert_int_equal(level_of("channel=debug", ""), SKS_LOG_OFF);
}

static void rule_matches_itself_and_what_follows_a_dot(void **state)
{
    (void)state;
    assert_int_equal(level_of("channel=debug", "channel"), SKS_LOG_DEBUG);
    assert_int_equal(level_of("channel=debug", "channel.ring"), SKS_LOG_DEBUG);
    assert_int_equal(level_of("channel=debug", "channels"), SKS_LOG_OFF);
    assert_int_equal(level_of("channel=debug", "chan"), SKS_LOG_OFF);
    assert_int_equal(level_of("channel.ring=debug", "channel"), SKS_LOG_OFF);
    assert_int_equal(level_of("channel.ring=debug", "channel.ringing"), SKS_LOG_OFF);
}

static void longest_rule_wins_in_any_order(void **state)
{
    (void)state;
    assert_int_equal(level_of("a=info,a.b=trace", "a.b.c"), SKS_LOG_TRACE);
    assert_int_equal(level_of("a.b=trace,a=info", "a.b.c"), SKS_LOG_TRACE);
    assert_int_equal(level_of("a.b=trace,a=info", "a.x"), SKS_LOG_INFO);
    assert_int_equal(level_of("trace,Stage2=off", "Stage2"), SKS_LOG_OFF);
}

static void last_of_two_equal_words_holds(void **state)
{
    (void)state;
    assert_int_equal(level_of("a=info,a=error", "a"), SKS_LOG_ERROR);
    assert_int_equal(level_of("info,debug", "a"), SKS_LOG_DEBUG);
}

static void bounds_hold_the_least_and_the_most_level(void **state)
{
    struct sksi_log_filter *f = sksi_log_filter_parse("warn,a=trace,b=off", "");

    (void)state;
    assert_non_null(f);
    assert_int_equal(f->least, SKS_LOG_OFF);
    assert_int_equal(f->most, SKS_LOG_TRACE);
    free(f);
}

static void filter_of_many_rules_parses(void **state)
{
    char text[8192], name[32];
    int len = 0;

    (void)state;
    for (int i = 0; i < 300; i++)
        len += snprintf(text + len, sizeof text - (size_t)len, "c%d=%s,", i,
                        sksi_log_level_names[i % 6]);
    snprintf(text + len, sizeof text - (size_t)len, "warn");
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "c%d", i);
        assert_int_equal(level_of(text, name), i % 6);
    }
}

static void wrong_level_is_named_with_its_position_and_the_nearest(void **state)
{
    (void)state;
    assert_string_equal(error_of("channel=debug,a=inof"),
                        "SKS_LOG: 'inof' at byte 17 is not a level: "
                        "off error warn info debug trace; did you mean 'info'?");
    assert_non_null(strstr(error_of("warning"), "did you mean 'warn'?"));
    assert_non_null(strstr(error_of("DEBGU"), "did you mean 'debug'?"));
    assert_non_null(strstr(error_of("tracee"), "did you mean 'trace'?"));
    assert_non_null(strstr(error_of("err0r"), "did you mean 'error'?"));
}

static void word_unlike_any_level_gets_no_suggestion(void **state)
{
    (void)state;
    assert_null(strstr(error_of("channel"), "did you mean"));
    assert_null(strstr(error_of("a=zzz"), "did you mean"));
}

static void empty_parts_are_named(void **state)
{
    (void)state;
    assert_non_null(strstr(error_of(""), "empty word at byte 1"));
    assert_non_null(strstr(error_of("info,"), "empty word at byte 6"));
    assert_non_null(strstr(error_of("info,,warn"), "empty word at byte 6"));
    assert_non_null(strstr(error_of("=info"), "no component at byte 1"));
    assert_non_null(strstr(error_of("channel="), "no level at byte 9"));
}

static void untrusted_word_is_escaped_and_cut_in_the_error(void **state)
{
    char longest[5000];

    (void)state;
    assert_non_null(strstr(error_of("a=\033[2J"), "'\\x1b[2J' at byte 3"));
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_non_null(strstr(error_of(longest), "xxx...' at byte 1"));
    assert_true(strlen(sks_log_error()) < 256);
}

static void names_are_found_and_nearest_are_suggested(void **state)
{
    static const char *const names[] = {"human", "logfmt", "json"};

    (void)state;
    assert_int_equal(sksi_log_name_find("json", 4, names, 3), 2);
    assert_int_equal(sksi_log_name_find("jso", 3, names, 3), -1);
    assert_int_equal(sksi_log_name_nearest("jsno", 4, names, 3), 2);
    assert_int_equal(sksi_log_name_nearest("logftm", 6, names, 3), 1);
    assert_int_equal(sksi_log_name_nearest("xml", 3, names, 3), -1);
    assert_int_equal(sksi_log_name_nearest("", 0, names, 3), -1);
}

SKS_TESTS("base/log_filter", cmocka_unit_test(every_level_parses),
          cmocka_unit_test(level_parses_in_any_case_and_between_spaces),
          cmocka_unit_test(component_without_rule_is_off_unless_a_level_stands_alone),
          cmocka_unit_test(rule_matches_itself_and_what_follows_a_dot),
          cmocka_unit_test(longest_rule_wins_in_any_order),
          cmocka_unit_test(last_of_two_equal_words_holds),
          cmocka_unit_test(bounds_hold_the_least_and_the_most_level),
          cmocka_unit_test(filter_of_many_rules_parses),
          cmocka_unit_test(wrong_level_is_named_with_its_position_and_the_nearest),
          cmocka_unit_test(word_unlike_any_level_gets_no_suggestion),
          cmocka_unit_test(empty_parts_are_named),
          cmocka_unit_test(untrusted_word_is_escaped_and_cut_in_the_error),
          cmocka_unit_test(names_are_found_and_nearest_are_suggested))
