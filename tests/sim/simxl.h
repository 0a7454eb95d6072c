/* SPDX-License-Identifier: MIT */
/*
 * simxl: what its files share.
 *
 * A command gets its arguments after its name and returns an exit code: 0, 1
 * after one line on stderr, or EXIT_USAGE, upon which main() prints the usage.
 */
#ifndef SIM_SIMXL_H
#define SIM_SIMXL_H

#include <stdint.h>
#include <xenstore.h>

#include "sim.h"

#define EXIT_USAGE   2
#define WAIT_SECONDS 10

struct tool {
	struct sim_host *host;
	struct xs_handle *xs;
};

/* simxl.c */
int tool_open(struct tool *tool);
void tool_close(struct tool *tool);
int complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
int parse_number(const char *text, long *ret_number);
int parse_domid(struct tool *tool, const char *text, uint32_t *ret_domid);
void store_path_set(uint32_t domid);

/* simxl_host.c */
int cmd_up(int argc, char **argv);
int cmd_down(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_env(int argc, char **argv);
int cmd_list(int argc, char **argv);

/* simxl_fault.c */
int cmd_fault(int argc, char **argv);
int cmd_revoke(int argc, char **argv);

/* simxl_domain.c */
int cmd_create(int argc, char **argv);
int cmd_destroy(int argc, char **argv);
int cmd_kill(int argc, char **argv);

/* simxl_device.c */
int cmd_block_attach(int argc, char **argv);
int cmd_block_detach(int argc, char **argv);
int cmd_vif_attach(int argc, char **argv);
int cmd_vif_detach(int argc, char **argv);
int cmd_wait_state(int argc, char **argv);
int devices_destroy(struct tool *tool, uint32_t domid);

/* simxl_node.c */
char *node_readf(struct tool *tool, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
int node_put(struct tool *tool, xs_transaction_t tx, const char *path, const char *key,
	     const char *value);
int node_make(struct tool *tool, xs_transaction_t tx, const char *path, uint32_t owner,
	      uint32_t reader);

#endif
