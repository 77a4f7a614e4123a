/* fault_point.c - points of a commit at which a test makes the process die or the commit fail.
 *
 * FAULT_AFTER_WRITE lies in the middle of LMDB's commit, which calls no function of the library.
 * There a seccomp filter stops the thread: a commit writes whole data pages first, and the meta
 * page with a call of pwrite that is shorter than a sector. The filter turns this call into SIGSYS
 * before it is executed, and the signal's handler kills the process.
 */
#include "os/fault_point.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"

#define META_WRITE_MIN 64        /* bytes */
#define META_WRITE_MAX 511

/* Classic BPF; musl has no header for it. The offsets are those of struct seccomp_data. */
enum {
	LOAD_WORD = 0x20,
	JUMP_IF_EQUAL = 0x15,
	JUMP_IF_GREATER = 0x25,
	JUMP_IF_NOT_LESS = 0x35,
	RETURN = 0x06,
	AT_NUMBER = 0,
	AT_MACHINE = 4,
	AT_THIRD_ARGUMENT = 32,      /* low half, little-endian */
	RETURN_TRAP = 0x00030000,
	RETURN_ALLOW = 0x7fff0000,
};

#if defined(__x86_64__)
#define MACHINE UINT32_C(0xc000003e)
#elif defined(__aarch64__)
#define MACHINE UINT32_C(0xc00000b7)
#endif

_Atomic int fault_point_set = FAULT_NONE;

static _Atomic uint32_t commits_left;
static _Atomic int error_of_commit;

static void die(void)
{
	kill(getpid(), SIGKILL);
	_exit(1);
}

#ifdef MACHINE
struct instruction {
	uint16_t code;
	uint8_t if_true, if_false;
	uint32_t value;
};

struct filter {
	uint16_t count;
	struct instruction *instructions;
};

static void die_at_call(int number)
{
	(void)number;
	die();
}

/* Returns 0 or an errno. */
static int trap_meta_write(void)
{
	struct instruction program[] = {
		{ LOAD_WORD, 0, 0, AT_MACHINE },
		{ JUMP_IF_EQUAL, 0, 6, MACHINE },
		{ LOAD_WORD, 0, 0, AT_NUMBER },
		{ JUMP_IF_EQUAL, 0, 4, SYS_pwrite64 },
		{ LOAD_WORD, 0, 0, AT_THIRD_ARGUMENT },
		{ JUMP_IF_NOT_LESS, 0, 2, META_WRITE_MIN },
		{ JUMP_IF_GREATER, 1, 0, META_WRITE_MAX },
		{ RETURN, 0, 0, RETURN_TRAP },
		{ RETURN, 0, 0, RETURN_ALLOW },
	};
	struct filter filter = { sizeof program / sizeof *program, program };
	struct sigaction action = { .sa_handler = die_at_call };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGSYS);
	if (sigaction(SIGSYS, &action, NULL) || pthread_sigmask(SIG_UNBLOCK, &set, NULL) ||
			prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
			prctl(PR_SET_SECCOMP, 2, &filter, 0, 0))
		return errno;
	return 0;
}

static int check_trap(void)
{
	return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0 ? errno : 0;
}
#else
static int trap_meta_write(void)
{
	return ENOSYS;
}

static int check_trap(void)
{
	return ENOSYS;
}
#endif

int fault_set(enum fault_point point, uint32_t n, int err, struct failure *failure)
{
	int system = point == FAULT_AFTER_WRITE ? check_trap() : 0;

	if (system)
		return fail_as(failure, ERR_STORE, "the kernel can't stop a commit after its data"
			" was written: %s", strerror(system));
	fault_clear();
	atomic_store(&error_of_commit, err);
	atomic_store(&commits_left, n);
	atomic_store(&fault_point_set, point);
	return 0;
}

void fault_clear(void)
{
	atomic_store(&fault_point_set, FAULT_NONE);
}

int fault_count(enum fault_point point)
{
	int err = atomic_load(&error_of_commit);

	if (atomic_fetch_sub(&commits_left, 1) != 1)
		return 0;
	fault_clear();
	if (err)
		return err;
	if (point != FAULT_AFTER_WRITE)
		die();
	return trap_meta_write() ? ERR_STORE : 0;
}
