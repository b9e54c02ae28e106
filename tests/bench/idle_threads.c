// SPDX-License-Identifier: Apache-2.0
/* Linked with an example to make it a program of THREADS threads, all but one asleep for ever. */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static void *sleep_for_ever(void *unused)
{
	for (;;)
		pause();
	return unused;
}

__attribute__((constructor)) static void start_threads(void)
{
	const char *text = getenv("THREADS");
	pthread_t thread;

	for (int n = text ? atoi(text) : 1; n > 1; n--)
		if (pthread_create(&thread, NULL, sleep_for_ever, NULL) != 0)
			abort();
}
