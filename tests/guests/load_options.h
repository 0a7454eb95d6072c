/* SPDX-License-Identifier: MIT */
/*
 * Arguments that the load generators have in common. Called while argp parses.
 */
#ifndef LOAD_OPTIONS_H
#define LOAD_OPTIONS_H

#include <argp.h>
#include <stdint.h>

uint64_t option_number(struct argp_state *state, const char *text, uint64_t max);
double option_seconds(struct argp_state *state, const char *text);

#endif
