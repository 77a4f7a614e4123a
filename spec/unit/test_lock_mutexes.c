/* test_lock_mutexes.c - lock_mutexes_check, for mutexes that other programs have changed or
 * destroyed.
 *
 * The other program is a child that holds LMDB's shared lock on byte 0 and changes the mutexes as
 * a version or build of LMDB does.
 */
#include <pthread.h>
#include <sys/mman.h>

#include "lmdb/internal.h"
#include "unit/stores.h"

static struct failure failure;
static char path[4200], lock_path[4300];

/* --- another program --- */

struct edit {
	void (*mutex)(pthread_mutex_t *mutex);   /* called for both mutexes, if not NULL */
	const char *text;                        /* bytes written over the mutexes, if not NULL */
	uint32_t format;                         /* new lock format number, if not 0 */
};

static void lock_byte(int fd, short type)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_len = 1 };

	CHECK(fcntl(fd, F_SETLKW, &lock) == 0);
}

static void be_another_program(struct child *parent, void *context)
{
	const struct edit *edit = context;
	int fd = open(lock_path, O_RDWR);
	uint8_t *header = mmap(NULL, LMDB_SLOTS_AT, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	CHECK(fd >= 0 && header != MAP_FAILED);
	lock_byte(fd, F_RDLCK);
	if (edit->mutex) {
		edit->mutex((pthread_mutex_t *)(void *)(header + LMDB_READER_MUTEX_AT));
		edit->mutex((pthread_mutex_t *)(void *)(header + LMDB_WRITER_MUTEX_AT));
	} else if (edit->text) {
		strcpy((char *)header + LMDB_READER_MUTEX_AT, edit->text);
		strcpy((char *)header + LMDB_WRITER_MUTEX_AT, edit->text);
	} else if (edit->format) {
		memcpy(header + 4, &edit->format, sizeof edit->format);
	}
	child_tell(parent);
	child_hear(parent);
}

static struct child start_another_program(const struct edit *edit)
{
	struct child child = child_start(be_another_program, (void *)(uintptr_t)edit);

	CHECK(child_hear(&child));
	return child;
}

static void destroy(pthread_mutex_t *mutex)
{
	pthread_mutex_destroy(mutex);
}

static void make_fragile(pthread_mutex_t *mutex)
{
	pthread_mutexattr_t how;

	memset(mutex, 0, sizeof *mutex);
	pthread_mutexattr_init(&how);
	pthread_mutexattr_setpshared(&how, PTHREAD_PROCESS_SHARED);
	CHECK(pthread_mutex_init(mutex, &how) == 0);
	pthread_mutexattr_destroy(&how);
}

/* Returns false with musl, whose pthread_mutex_destroy does not change a mutex. */
static bool destroying_shows(void)
{
	pthread_mutexattr_t how;
	pthread_mutex_t mutex, before;

	memset(&mutex, 0, sizeof mutex);
	pthread_mutexattr_init(&how);
	pthread_mutexattr_setpshared(&how, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&how, PTHREAD_MUTEX_ROBUST);
	CHECK(pthread_mutex_init(&mutex, &how) == 0);
	pthread_mutexattr_destroy(&how);
	before = mutex;
	pthread_mutex_destroy(&mutex);
	return memcmp(&mutex, &before, sizeof mutex) != 0;
}

/* --- opening after another program --- */

static void make_database(const char *name)
{
	snprintf(path, sizeof path, "%s", store_path(name));
	snprintf(lock_path, sizeof lock_path, "%s-lock", path);
	store_close(open_small(path));
}

static void write_one(struct child *parent, void *context)
{
	struct store *store = open_small(path);

	(void)parent;
	write_row(store, TREE_META, context, "v");
	store_close(store);
}

static void write_in_another_process(const char *key)
{
	struct child child = child_start(write_one, (void *)(uintptr_t)key);

	child_end(&child);
}

static void keep_open(struct child *parent, void *context)
{
	(void)context;
	open_small(path);
	child_tell(parent);
	child_hear(parent);
}

static void destroyed_mutexes_are_initialized_again(void)
{
	struct child other;
	struct store *store;

	make_database("destroyed.tide");
	other = start_another_program(&(struct edit){ .mutex = destroy });
	store = open_small(path);
	write_row(store, TREE_META, "a", "v");
	write_in_another_process("b");
	CHECK(store_has(store, TREE_META, "a", "v"));
	CHECK(store_has(store, TREE_META, "b", "v"));
	store_close(store);
	store = open_small(path);
	CHECK(store_has(store, TREE_META, "b", "v"));
	store_close(store);
	child_kill(&other);
}

static void they_are_not_while_others_are_inside(void)
{
	struct store_options options = small_options(path);
	struct child ours, other;

	if (!destroying_shows())
		return;
	ours = child_start(keep_open, NULL);
	CHECK(child_hear(&ours));
	other = start_another_program(&(struct edit){ .mutex = destroy });
	CHECK_EQUAL_INT(try_open(&options, &failure), ERR_BUSY);
	CHECK(strstr(failure.message, "destroyed") && strstr(failure.message, "close"));
	child_kill(&ours);
	CHECK_EQUAL_INT(try_open(&options, &failure), 0);
	child_kill(&other);
}

static void expect_not_robust(const struct edit *edit)
{
	struct store_options options = small_options(path);
	struct child other = start_another_program(edit);

	CHECK_EQUAL_INT(try_open(&options, &failure), ERR_STORE);
	CHECK(strstr(failure.message, "robust"));
	child_kill(&other);
	CHECK_EQUAL_INT(try_open(&options, &failure), 0);
}

static void other_locks_than_robust_ones_are_refused(void)
{
	make_database("fragile.tide");
	expect_not_robust(&(struct edit){ .mutex = make_fragile });
	expect_not_robust(&(struct edit){ .text = "/MDBrAbCdEfGhI" });
}

/* LMDB 0.9.70 and later have lock format 2. */
static void another_lock_format_is_named(void)
{
	struct store_options options = small_options(path);
	struct child other = start_another_program(&(struct edit){ .format = 0x10002 });

	CHECK_EQUAL_INT(try_open(&options, &failure), ERR_BUSY);
	CHECK(strstr(failure.message, "another version of LMDB"));
	child_kill(&other);
	CHECK_EQUAL_INT(try_open(&options, &failure), 0);
}

/* --- the lock of lock_file_hold on byte 0 --- */

static struct child asker;
static bool counting;
static unsigned closes;

/* A process that reports on request whether byte 0 can be locked exclusively. The test cannot find
 * out itself, because POSIX locks do not exclude the process that holds them. The process is
 * started before the store is opened, because fork would wait while the store is being closed. */
static void answer(struct child *parent, void *context)
{
	(void)context;
	while (child_hear(parent)) {
		struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
		int fd = open(lock_path, O_RDWR);
		char can = fd >= 0 && fcntl(fd, F_SETLK, &lock) == 0 ? 'y' : 'n';

		close(fd);
		CHECK(write(parent->out, &can, 1) == 1);
	}
}

static bool can_be_initialized(void)
{
	char can;

	child_tell(&asker);
	CHECK(read(asker.in, &can, 1) == 1);
	return can == 'y';
}

void __real_mdb_env_close(MDB_env *env);
void __wrap_mdb_env_close(MDB_env *env);

/* LMDB has closed the environment and released its lock; the other lock must still be held. */
void __wrap_mdb_env_close(MDB_env *env)
{
	__real_mdb_env_close(env);
	if (!counting)
		return;
	closes++;
	CHECK(!can_be_initialized());
}

static void the_byte_is_held_until_lmdb_has_closed(void)
{
	struct store *store;

	make_database("held.tide");
	asker = child_start(answer, NULL);
	counting = true;
	store = open_small(path);
	CHECK(!can_be_initialized());
	close(open(lock_path, O_RDWR));          /* releases LMDB's locks */
	CHECK(!can_be_initialized());
	store_close(store);
	counting = false;
	CHECK_EQUAL_UINT(closes, 1);
	CHECK(can_be_initialized());
}

static void linger(struct child *parent, void *context)
{
	(void)context;
	child_tell(parent);
	child_hear(parent);
}

static void a_child_of_fork_keeps_no_lock(void)
{
	struct child child;
	struct store *store = open_small(path);

	child = child_start(linger, NULL);
	CHECK(child_hear(&child));
	store_close(store);
	CHECK(can_be_initialized());
	child_kill(&child);
}

int main(void)
{
	destroyed_mutexes_are_initialized_again();
	they_are_not_while_others_are_inside();
	other_locks_than_robust_ones_are_refused();
	another_lock_format_is_named();
	the_byte_is_held_until_lmdb_has_closed();
	a_child_of_fork_keeps_no_lock();
	child_end(&asker);
	return 0;
}
