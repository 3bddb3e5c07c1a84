/* SPDX-License-Identifier: MIT */
/*
 * bare.h - comes before every file of the second build of our library, whose channels
 * keep no statistics (SKSI_NO_STATS) and which never logs.
 */
#include <sockstream/log.h>

#undef SKS_LOG
#define SKS_LOG(level, component, ...) ((void)0)
