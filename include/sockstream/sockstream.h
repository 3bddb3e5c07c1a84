/* SPDX-License-Identifier: MIT */
/*
 * sockstream - one socket API from thread to VM.
 *
 * This header includes all public ones.
 *
 *   channel.h   bounded channels between threads, the SockStream pair, timers
 *   select.h    wait for the first of several sends and receives
 *   pipeline.h  stages joined by bounded links; a shutdown that balances
 *   log.h       structured logging, silent unless asked for
 */
#ifndef SOCKSTREAM_H
#define SOCKSTREAM_H

#include <sockstream/channel.h>
#include <sockstream/log.h>
#include <sockstream/pipeline.h>
#include <sockstream/select.h>

#endif
