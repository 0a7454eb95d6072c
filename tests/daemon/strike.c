/* SPDX-License-Identifier: MIT */
/*
 * Strikes a thread of a process with SIGSEGV, as a fault of its own would.
 *
 * usage: strike PID THREAD-NAME
 */
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "thread.h"

int main(int argc, char **argv)
{
	int tid = argc == 3 ? thread_find(argv[1], argv[2]) : 0;

	return !tid || syscall(SYS_tgkill, atoi(argv[1]), tid, SIGSEGV);
}
