// SPDX-License-Identifier: Apache-2.0
#include "runtime/tick/beat.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/wire/tick_records.h"

#define STACK_BYTES (256u << 10) /* the filter is compiled on it */
#define SLACK_NS    1ul          /* the usual 50 us would be an eighth of a period */

#define TICKS_MEASURED 64u
#define COST_SHARE     20u /* ticks use a twentieth of a CPU at most */

struct beat {
	_Atomic uint32_t period_us;
	pthread_barrier_t confined;
	int (*confine)(void *self);
	void *self;
	struct seat {
		struct beat *beat;
		int cpu;
	} seats[CPU_SETSIZE];
};

static void wait_for_period(struct beat *b)
{
	(void)syscall(SYS_futex, &b->period_us, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
}

/* One thread's own pace. */
struct pace {
	uint32_t ticks;
	uint64_t used_ns;  /* of the CPU, when ticks was 0 */
	uint64_t least_us; /* of a period, by the cost of the last ticks */
};

static uint64_t used_ns(void)
{
	struct timespec used = {0};

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	return (uint64_t)used.tv_sec * NS_PER_SEC + (uint64_t)used.tv_nsec;
}

/* A tick costs microseconds, and a hundred times as much on an emulated CPU. */
static void step(struct pace *p)
{
	uint64_t now_ns;

	if (++p->ticks < TICKS_MEASURED)
		return;
	now_ns = used_ns();
	p->least_us = (now_ns - p->used_ns) / TICKS_MEASURED * COST_SHARE / NS_PER_US;
	if (p->least_us > TICK_MOST_US)
		p->least_us = TICK_MOST_US;
	p->used_ns = now_ns;
	p->ticks = 0;
}

static void sleep_us(uint64_t us)
{
	struct timespec pause = {.tv_nsec = (long)(us * NS_PER_US)};

	(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
}

static int take_seat(int cpu)
{
	cpu_set_t only;

	CPU_ZERO(&only);
	CPU_SET(cpu, &only);
	if (sched_setaffinity(0, sizeof(only), &only) < 0 || prctl(PR_SET_TIMERSLACK, SLACK_NS) < 0)
		return -errno;
	return 0;
}

/* Behind the filter nothing but the two ways of sleeping is left. */
static void *run(void *arg)
{
	const struct seat *seat = arg;
	struct beat *b = seat->beat;

	if (take_seat(seat->cpu) < 0 || b->confine(b->self) < 0)
		_exit(EXIT_FAILURE);
	pthread_barrier_wait(&b->confined);
	for (struct pace pace = {0};; step(&pace)) {
		uint32_t us = atomic_load_explicit(&b->period_us, memory_order_relaxed);

		if (us == 0)
			wait_for_period(b);
		else
			sleep_us(us > pace.least_us ? us : pace.least_us);
	}
	return NULL;
}

static int start_threads(struct beat *b, const cpu_set_t *cpus)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int r = pthread_attr_init(&attributes);

	if (r == 0)
		r = pthread_attr_setstacksize(&attributes, STACK_BYTES);
	for (int cpu = 0; r == 0 && cpu < CPU_SETSIZE; cpu++) {
		b->seats[cpu] = (struct seat){b, cpu};
		if (CPU_ISSET(cpu, cpus))
			r = pthread_create(&thread, &attributes, run, &b->seats[cpu]);
	}
	return -r;
}

int beat_start(int (*confine)(void *self), void *self, struct beat **out, uint32_t *out_cpus)
{
	struct beat *b = calloc(1, sizeof(*b));
	cpu_set_t cpus;
	int r;

	must(confine);
	if (!b)
		return -ENOMEM;
	b->confine = confine;
	b->self = self;
	*out = b;
	if (sched_getaffinity(0, sizeof(cpus), &cpus) < 0)
		return -errno;
	*out_cpus = (uint32_t)CPU_COUNT(&cpus);
	must(*out_cpus > 0);
	r = -pthread_barrier_init(&b->confined, NULL, *out_cpus + 1);
	if (r == 0)
		r = start_threads(b, &cpus);
	if (r == 0)
		pthread_barrier_wait(&b->confined);
	return r;
}

void beat_every(struct beat *b, uint32_t us)
{
	atomic_store(&b->period_us, us);
	(void)syscall(SYS_futex, &b->period_us, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}
