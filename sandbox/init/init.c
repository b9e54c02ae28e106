// SPDX-License-Identifier: Apache-2.0
/*
 * ebb-init: PID 1 of every instance. Static, without a C library.
 *
 *   ebb-init PID STOP_SIGNAL    with the control socket (SOCK_SEQPACKET to ebbd) on CONTROL_FD
 *
 * It is started with every signal blocked and with the function already forked as PID. It sleeps in
 * one system call, passes signals on to the function (SIGTERM as the image's stop signal) and reaps
 * orphans. When the function's main process ends, ebb-init reports how (struct sandbox_word) and
 * exits; the kernel then kills the rest of the pid namespace and waits for it (pid_namespaces(7)).
 * The executable cannot be read, so no process inside can attach to ebb-init or look into it.
 */
#ifndef __x86_64__
#error "ebb-init knows the system calls of x86_64 only"
#endif

#define CONTROL_FD 3

enum {
	SYS_KILL = 62,
	SYS_SENDTO = 44,
	SYS_WAIT4 = 61,
	SYS_SIGTIMEDWAIT = 128,
	SYS_EXIT_GROUP = 231
};
enum {
	SIG_HUP = 1,
	SIG_INT = 2,
	SIG_QUIT = 3,
	SIG_USR1 = 10,
	SIG_USR2 = 12,
	SIG_TERM = 15,
	SIG_CHLD = 17,
	SIG_WINCH = 28,
	SIG_MAX = 64
};
enum { ERR_INTR = 4, NO_HANG = 1, MSG_NO_SIGNAL = 0x4000 };

/* The same as in sandbox/sandbox.h, which cannot be included here because it needs a C library. */
enum { SANDBOX_SAYS_EXIT = 1 };
struct sandbox_word {
	unsigned int says, a;
	int b;
	unsigned int reserved;
};

static long call(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

__attribute__((noreturn)) static void leave(int code)
{
	for (;;)
		call(SYS_EXIT_GROUP, code, 0, 0, 0, 0, 0);
}

static int parse_number(const char *text)
{
	int n = 0;

	if (!*text)
		return -1;
	for (; *text; text++) {
		if (*text < '0' || *text > '9' || n > 100000000)
			return -1;
		n = n * 10 + (*text - '0');
	}
	return n;
}

/* The function has ended: reports how, and exits, which ends all processes of the instance. */
__attribute__((noreturn)) static void report(int status)
{
	int signal = status & 0x7f;
	struct sandbox_word word = {
		.says = SANDBOX_SAYS_EXIT,
		.a = signal != 0,
		.b = signal ? signal : (status >> 8) & 0xff,
	};
	long r;

	do
		r = call(SYS_SENDTO, CONTROL_FD, (long)&word, sizeof(word), MSG_NO_SIGNAL, 0, 0);
	while (r == -ERR_INTR);
	leave(0);
}

static void reap(int function_pid)
{
	for (;;) {
		int status = 0;
		long pid = call(SYS_WAIT4, -1, (long)&status, NO_HANG, 0, 0, 0);

		if (pid == function_pid)
			report(status);
		if (pid <= 0 && pid != -ERR_INTR)
			return;
	}
}

/* The signal to send on for each signal, or 0. */
static int signal_to_forward(long signal, int stop_signal)
{
	switch (signal) {
	case SIG_TERM:
		return stop_signal;
	case SIG_HUP:
	case SIG_INT:
	case SIG_QUIT:
	case SIG_USR1:
	case SIG_USR2:
	case SIG_WINCH:
		return (int)signal;
	default:
		return 0;
	}
}

static void serve(int function_pid, int stop_signal)
{
	const unsigned long all = ~0UL;

	/* The function may have ended before we were here. */
	reap(function_pid);
	for (;;) {
		/* Freezing and thawing makes this return early; that is fine. */
		long signal = call(SYS_SIGTIMEDWAIT, (long)&all, 0, 0, sizeof(all), 0, 0);
		int forward = signal_to_forward(signal, stop_signal);

		if (signal == SIG_CHLD)
			reap(function_pid);
		else if (forward)
			call(SYS_KILL, function_pid, forward, 0, 0, 0, 0);
	}
}

void init_main(const long *stack);

__attribute__((noreturn, used)) void init_main(const long *stack)
{
	const char *const *argv = (const char *const *)(stack + 1);
	int function_pid = stack[0] == 3 ? parse_number(argv[1]) : -1;
	int stop_signal = stack[0] == 3 ? parse_number(argv[2]) : -1;

	if (function_pid <= 1 || stop_signal < 0 || stop_signal > SIG_MAX)
		leave(2);
	serve(function_pid, stop_signal ? stop_signal : SIG_TERM);
	leave(0);
}

__asm__(".globl _start\n"
	".type _start, @function\n"
	"_start:\n"
	"	xor %ebp, %ebp\n"
	"	mov %rsp, %rdi\n"
	"	and $-16, %rsp\n"
	"	call init_main\n"
	"	hlt\n"
	".section .note.GNU-stack, \"\", @progbits\n"
	".text\n");
