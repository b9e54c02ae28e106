// SPDX-License-Identifier: Apache-2.0
/*
 * A hostile image has this program, which uses no C library, in the place of the loader of dynamic
 * programs. A script whose first line is "#!/proc/self/exe" makes the kernel execute, with this
 * loader, the program that executed the script: ebb's own. It then tries to open that program for
 * writing: CVE-2019-5736.
 */
static long call(long nr, long a, long b, long c)
{
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(nr), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return result;
}

enum { SYS_WRITE = 1, SYS_OPEN = 2, SYS_EXIT_GROUP = 231 };
enum { WRITE_ONLY = 1, READ_WRITE = 2, TRUNCATE = 01000 };

static void say(const char *text, long number)
{
	char digits[8];
	int at = 8;

	digits[--at] = '\n';
	for (number = number < 0 ? -number : 0; number > 0 || at == 7; number /= 10)
		digits[--at] = (char)('0' + number % 10);
	for (; *text; text++)
		call(SYS_WRITE, 1, (long)text, 1);
	call(SYS_WRITE, 1, (long)(digits + at), 8 - at);
}

void _start(void);

__attribute__((used)) void _start(void)
{
	static const char program[] = "/proc/self/exe";

	say("write ", call(SYS_OPEN, (long)program, WRITE_ONLY, 0));
	say("change ", call(SYS_OPEN, (long)program, READ_WRITE, 0));
	say("truncate ", call(SYS_OPEN, (long)program, WRITE_ONLY | TRUNCATE, 0));
	say("leave ", call(SYS_OPEN, (long)"/proc/self/exe/..", 0, 0));
	call(SYS_EXIT_GROUP, 42, 0, 0);
}
