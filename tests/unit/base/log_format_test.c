/* SPDX-License-Identifier: MIT */
/* log_format_test.c - a record becomes one line, in each of the three formats. */
#include "base/log.h"
#include "lib/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* 2026-11-21T12:34:56.789012345Z */
#define WHEN (1795264496 * INT64_C(1000000000) + 789012345)

#define FIELDS(...)                                                                                \
    .fields = (const sks_log_field[]){__VA_ARGS__},                                                \
    .n_fields = sizeof((const sks_log_field[]){__VA_ARGS__}) / sizeof(sks_log_field)

static char line[4096];

static const char *printed(sks_log_record r, sks_log_format format)
{
    size_t len;

    setenv("TZ", "UTC", 1);
    tzset();
    if (!r.time_ns)
        r.time_ns = WHEN;
    if (r.level == SKS_LOG_OFF)
        r.level = SKS_LOG_INFO;
    len = sks_log_format_record(&r, format, false, line, sizeof line);
    assert_int_equal(len, strlen(line));
    return line;
}

static const char *human(sks_log_record r)
{
    return printed(r, SKS_LOG_HUMAN);
}

static const char *logfmt(sks_log_record r)
{
    return printed(r, SKS_LOG_LOGFMT);
}

static const char *json(sks_log_record r)
{
    return printed(r, SKS_LOG_JSON);
}

static void human_line_has_time_level_component_message_fields(void **state)
{
    (void)state;
    assert_string_equal(human((sks_log_record){.component = "Stage1",
                                               .thread = "Stage1",
                                               .message = "sending",
                                               FIELDS({"item", "3", false})}),
                        "12:34:56.789012 INFO  Stage1 sending item=3\n");
}

static void human_line_names_the_thread_where_it_is_not_the_component(void **state)
{
    (void)state;
    assert_string_equal(
        human((sks_log_record){.component = "gzip", .thread = "gzip-2", .message = "busy"}),
        "12:34:56.789012 INFO  gzip[gzip-2] busy\n");
}

static void human_line_pads_every_level(void **state)
{
    static const char *const names[] = {"", "ERROR", "WARN ", "INFO ", "DEBUG", "TRACE"};
    char expected[64];

    (void)state;
    for (int i = SKS_LOG_ERROR; i <= SKS_LOG_TRACE; i++) {
        snprintf(expected, sizeof expected, "12:34:56.789012 %s c m\n", names[i]);
        assert_string_equal(
            human((sks_log_record){.level = (sks_log_level)i, .component = "c", .message = "m"}),
            expected);
    }
}

static void human_line_quotes_values_only_where_it_must(void **state)
{
    (void)state;
    assert_string_equal(human((sks_log_record){.component = "c",
                                               .message = "m",
                                               FIELDS({"a", "one", true}, {"b", "two words", true},
                                                      {"c", "", true}, {"d", "q\"=\\", true})}),
                        "12:34:56.789012 INFO  c m a=one b=\"two words\" c=\"\" "
                        "d=\"q\\\"=\\\\\"\n");
}

static void color_surrounds_the_level_alone(void **state)
{
    sks_log_record r = {.time_ns = WHEN, .level = SKS_LOG_ERROR, .component = "c", .message = "m"};

    (void)state;
    setenv("TZ", "UTC", 1);
    sks_log_format_record(&r, SKS_LOG_HUMAN, true, line, sizeof line);
    assert_string_equal(line, "12:34:56.789012 \033[31mERROR\033[0m c m\n");
    sks_log_format_record(&r, SKS_LOG_LOGFMT, true, line, sizeof line);
    assert_null(strchr(line, '\033'));
    sks_log_format_record(&r, SKS_LOG_JSON, true, line, sizeof line);
    assert_null(strchr(line, '\033'));
}

static void logfmt_line_has_every_part_under_its_key(void **state)
{
    (void)state;
    assert_string_equal(logfmt((sks_log_record){.component = "Stage1",
                                                .thread = "gen",
                                                .message = "sending",
                                                FIELDS({"item", "3", false}, {"peer", "x", true})}),
                        "time=2026-11-21T12:34:56.789012Z level=info component=Stage1 thread=gen "
                        "msg=\"sending\" item=3 peer=\"x\"\n");
}

static void logfmt_line_quotes_names_that_are_no_words(void **state)
{
    (void)state;
    assert_string_equal(logfmt((sks_log_record){.component = "two words",
                                                .thread = "",
                                                .message = "a \"b\" \\",
                                                FIELDS({"a b=c", "inf", false})}),
                        "time=2026-11-21T12:34:56.789012Z level=info component=\"two words\" "
                        "thread=\"\" msg=\"a \\\"b\\\" \\\\\" a_b_c=inf\n");
}

static void json_line_is_one_object(void **state)
{
    (void)state;
    assert_string_equal(json((sks_log_record){.component = "Stage1",
                                              .thread = "gen",
                                              .message = "say \"hi\"",
                                              FIELDS({"item", "-3", false}, {"peer", "7", true})}),
                        "{\"time\":\"2026-11-21T12:34:56.789012Z\",\"level\":\"info\","
                        "\"component\":\"Stage1\",\"thread\":\"gen\",\"msg\":\"say \\\"hi\\\"\","
                        "\"item\":-3,\"peer\":\"7\"}\n");
}

static void json_numbers_that_json_has_not_are_strings(void **state)
{
    static const struct {
        const char *value, *as;
    } cases[] = {
        {"0", "0"},           {"-0.5", "-0.5"}, {"1e+10", "1e+10"},   {"12.25E3", "12.25E3"},
        {"007", "\"007\""},   {"+1", "\"+1\""}, {"0x1f", "\"0x1f\""}, {"nan", "\"nan\""},
        {"-inf", "\"-inf\""}, {" 5", "\" 5\""}, {"1.", "\"1.\""},     {".5", "\".5\""},
        {"1e", "\"1e\""},     {"", "\"\""},     {"-", "\"-\""},       {"12...", "\"12...\""},
    };
    char expected[64];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(expected, sizeof expected, ",\"n\":%s}\n", cases[i].as);
        json((sks_log_record){
            .component = "c", .message = "m", FIELDS({"n", cases[i].value, false})});
        assert_non_null(strstr(line, expected));
    }
}

static void keys_that_are_taken_get_a_prefix(void **state)
{
    (void)state;
    logfmt((sks_log_record){
        .component = "c", .message = "m", FIELDS({"level", "3", false}, {"msg", "x", true})});
    assert_non_null(strstr(line, " field.level=3 field.msg=\"x\"\n"));
    json((sks_log_record){.component = "c", .message = "m", FIELDS({"time", "3", false})});
    assert_non_null(strstr(line, ",\"field.time\":3}\n"));
}

/* Text from a peer that tries to end the line, to turn the terminal red, to forge a
 * record, and that is not UTF-8: in each place where text may stand. */
static void hostile_text_stays_inside_its_line(void **state)
{
    static const char evil[] = "x\n12:00:00.000000 ERROR forged\033[31m\x9b\xff\xc2\x9b\r";
    sks_log_record r = {.component = evil,
                        .thread = evil,
                        .message = evil,
                        FIELDS({evil, evil, true}, {"n", evil, false})};

    (void)state;
    for (int format = SKS_LOG_HUMAN; format <= SKS_LOG_JSON; format++) {
        size_t len = strlen(printed(r, (sks_log_format)format));

        assert_int_equal(line[len - 1], '\n');
        for (size_t i = 0; i + 1 < len; i++)
            assert_true(line[i] >= ' ' && line[i] < 0x7f);
        assert_non_null(strstr(line, format == SKS_LOG_JSON ? "x\\u000a12" : "x\\x0a12"));
        assert_non_null(strstr(line, format == SKS_LOG_JSON ? "\\u001b[31m\\u009b\\u00ff\\u009b"
                                                            : "\\x1b[31m\\x9b\\xff\\xc2\\x9b"));
    }
}

static void times_before_1970_are_right(void **state)
{
    (void)state;
    logfmt((sks_log_record){.time_ns = -1, .component = "c", .message = "m"});
    assert_non_null(strstr(line, "time=1969-12-31T23:59:59.999999Z "));
}

static void null_members_are_empty(void **state)
{
    (void)state;
    assert_string_equal(json((sks_log_record){FIELDS({NULL, NULL, true})}),
                        "{\"time\":\"2026-11-21T12:34:56.789012Z\",\"level\":\"info\","
                        "\"component\":\"\",\"thread\":\"\",\"msg\":\"\",\"\":\"\"}\n");
    assert_string_equal(human((sks_log_record){0}), "12:34:56.789012 INFO  \n");
}

static void short_buffer_is_filled_as_snprintf_does(void **state)
{
    sks_log_record r = {.time_ns = WHEN, .level = SKS_LOG_INFO, .component = "c", .message = "m"};
    size_t len = sks_log_format_record(&r, SKS_LOG_JSON, false, NULL, 0);
    char small[10];

    (void)state;
    assert_int_equal(sks_log_format_record(&r, SKS_LOG_JSON, false, small, sizeof small), len);
    assert_string_equal(small, "{\"time\":\"");
    assert_int_equal(sks_log_format_record(&r, SKS_LOG_JSON, false, line, sizeof line), len);
    assert_int_equal(strlen(line), len);
}

SKS_TESTS("base/log_format", cmocka_unit_test(human_line_has_time_level_component_message_fields),
          cmocka_unit_test(human_line_names_the_thread_where_it_is_not_the_component),
          cmocka_unit_test(human_line_pads_every_level),
          cmocka_unit_test(human_line_quotes_values_only_where_it_must),
          cmocka_unit_test(color_surrounds_the_level_alone),
          cmocka_unit_test(logfmt_line_has_every_part_under_its_key),
          cmocka_unit_test(logfmt_line_quotes_names_that_are_no_words),
          cmocka_unit_test(json_line_is_one_object),
          cmocka_unit_test(json_numbers_that_json_has_not_are_strings),
          cmocka_unit_test(keys_that_are_taken_get_a_prefix),
          cmocka_unit_test(hostile_text_stays_inside_its_line),
          cmocka_unit_test(times_before_1970_are_right), cmocka_unit_test(null_members_are_empty),
          cmocka_unit_test(short_buffer_is_filled_as_snprintf_does))
