/* SPDX-License-Identifier: MIT */
/*
 * Programs in the kernel, how often each has run and for how long, as BPF statistics
 * (kernel.bpf_stats_enabled) have it: a name, runs and ns in each line.
 */
#include <bpf/bpf.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

static int print_program(uint32_t id)
{
	struct bpf_prog_info info = { 0 };
	uint32_t size = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);

	if (fd < 0)
		return 1;
	if (!bpf_obj_get_info_by_fd(fd, &info, &size) && info.run_cnt)
		printf("%s %" PRIu64 " %" PRIu64 "\n", info.name, (uint64_t)info.run_cnt,
		       (uint64_t)info.run_time_ns);
	close(fd);
	return 0;
}

int main(void)
{
	uint32_t id = 0;

	while (!bpf_prog_get_next_id(id, &id))
		print_program(id);
	return 0;
}
