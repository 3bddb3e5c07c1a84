/* SPDX-License-Identifier: MIT */
/*
 * log.h - the parts of the log that its files share.
 *
 *   log.c         the gate, the sink (handler, argument, filter) and its replacement
 *   log_filter.c  `channel=debug,warn`: parsing, matching, what to say when it is wrong
 *   log_record.c  a printf format and its arguments become a message and fields
 *   log_format.c  a record becomes one line: human, logfmt or JSON; escaping
 *   log_env.c     the built-in handler and the environment
 *
 * Nothing here waits, and all memory of one record is on the stack of the thread
 * that logs it.
 */
#ifndef SKSI_BASE_LOG_H
#define SKSI_BASE_LOG_H

#include <sockstream/log.h>

#include <stdarg.h>

/* ---- bounded text ------------------------------------------------------ */

/* Text that is always closed by a NUL, and counts on when the room is used up. */
struct sksi_text {
    char *buf;
    size_t size; /* of buf, with the NUL; 0 only counts */
    size_t len;  /* of the whole text, also when it is longer than the room */
};

struct sksi_text sksi_text_in(char *buf, size_t size);
void sksi_text_put(struct sksi_text *t, char c);
void sksi_text_add(struct sksi_text *t, const char *s);
void sksi_text_add_n(struct sksi_text *t, const char *s, size_t n);

/* Ends text that was longer than its room with "...", not inside a character.
 * Returns how many bytes are there, without the NUL. */
size_t sksi_text_close(struct sksi_text *t);

/* How untrusted text is made harmless. */
enum sksi_escape {
    SKSI_ESCAPE_PLAIN,  /* \xNN for what does not print, \\ */
    SKSI_ESCAPE_QUOTED, /* and \" */
    SKSI_ESCAPE_JSON,   /* \u00NN and \" */
};

/* Adds at most n bytes of s, up to its NUL, escaped.  Control characters (C0, DEL,
 * C1), line separators, changes of writing direction and bytes that are not UTF-8
 * never come out as they are. */
void sksi_text_escape(struct sksi_text *t, const char *s, size_t n, enum sksi_escape how);

/* ---- filter ------------------------------------------------------------ */

struct sksi_log_rule {
    const char *component;
    size_t len;
    sks_log_level level;
};

/* One piece of memory; sksi_free() gives it back. */
struct sksi_log_filter {
    sks_log_level usual; /* where no rule matches */
    sks_log_level least; /* every component has at least this level */
    sks_log_level most;  /* and none has more than this one */
    size_t n_rules;
    struct sksi_log_rule rules[];
};

/* NULL with EINVAL, and the reason in sks_log_error(), or with ENOMEM.  `where`
 * begins the reason: "SKS_LOG: ", or "". */
struct sksi_log_filter *sksi_log_filter_parse(const char *text, const char *where);
sks_log_level sksi_log_filter_level(const struct sksi_log_filter *f, const char *component);

/* Which of n names is spelt like the len bytes of word?  -1: none.  nearest: the one
 * with the fewest wrong letters, -1 when all are too far away. */
int sksi_log_name_find(const char *word, size_t len, const char *const *names, int n);
int sksi_log_name_nearest(const char *word, size_t len, const char *const *names, int n);

/* Sets sks_log_error() to: where 'word' what <names>; and the nearest name. */
void sksi_log_error_name(const char *where, const char *word, size_t len, const char *what,
                         const char *const *names, int n);

/* Makes sks_log_error() say what, at where. */
void sksi_log_error_text(const char *where, const char *what);

/* "off", "error", ... by level. */
extern const char *const sksi_log_level_names[SKS_LOG_TRACE + 1];

/* ---- record ------------------------------------------------------------ */

#define SKSI_LOG_MESSAGE 512 /* bytes, with the NUL: about six lines of a terminal */
#define SKSI_LOG_VALUE 1024  /* of one value */
#define SKSI_LOG_VALUES 4096 /* of all keys and values: one page */
#define SKSI_LOG_FIELDS 16
#define SKSI_LOG_KEY 64

/* A record with the memory that it points into. */
struct sksi_log_text {
    sks_log_record record;
    sks_log_field fields[SKSI_LOG_FIELDS];
    size_t used; /* of values */
    char message[SKSI_LOG_MESSAGE];
    char values[SKSI_LOG_VALUES];
};

/* Fills message, fields and n_fields of t->record; the rest is the caller's. */
void sksi_log_record_print(struct sksi_log_text *t, const char *format, va_list args);

/* ---- environment ------------------------------------------------------- */

/* The built-in handler; arg points to its options. */
struct sksi_log_stderr {
    sks_log_format format;
    bool color;
    int fd;
};
void sksi_log_to_fd(const sks_log_record *record, void *arg);

/* sks_log_set() with a reason that begins with `where`. */
int sksi_log_set_from(sks_log_handler *handler, void *arg, const char *filter, const char *where);

#endif
