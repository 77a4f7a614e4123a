/* trace.h - a trace of everything that reaches a database's files, in order.
 *
 * The trace is in shared memory, because the process that writes it may be killed and other
 * processes read it. A file is identified by a number, in order of creation, because names change.
 */
#ifndef POWERCUT_TRACE_H
#define POWERCUT_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The names of a database's files. */
enum name { NAME_DATA, NAME_NEW, NAME_LOCK, NAME_WAKE, NAMES };
extern const char *const name_suffix[NAMES];

#define NO_FILE (-1)
#define FILES_MAX 64

enum deed_kind {
	TRACE_MAKE,        /* name refers to the new file */
	TRACE_RENAME,      /* to refers to the file of name; name no longer exists */
	TRACE_UNLINK,
	TRACE_WRITE,       /* len bytes of file at `at` */
	TRACE_SIZE,        /* the length of the file is len */
	TRACE_GROW,        /* the length of the file is at least len */
	TRACE_FLUSH,       /* fdatasync or fsync of the file has returned */
	TRACE_FLUSH_FAILED, /* a flush has failed; its writes are not tried again */
	TRACE_FLUSH_PART,  /* a write through an O_DSYNC descriptor has returned */
	TRACE_FLUSH_NAMES, /* fsync of the directory has returned */
	TRACE_MARK,        /* the writing program records what it knows */
};

/* What the program knows at a cut point. */
struct mark {
	bool exists;           /* the database's creation is acknowledged */
	uint64_t commit;       /* the last visible commit */
	uint64_t digest;       /* digest of its contents */
	uint64_t sequence;     /* the last sequence number assigned */
	uint64_t promised;     /* the last commit that a power cut must not remove */
};

struct trace_event {
	enum deed_kind kind;
	enum name name, to;
	int file;
	uint64_t at, len;
	const uint8_t *bytes;
	struct mark mark;
};

struct trace {
	struct trace_event *events;
	size_t count, max;
	uint8_t *bytes;        /* data of the events */
	size_t used, buf;
	int files;             /* number of files created so far */
	int named[NAMES];      /* the file that each name refers to, or NO_FILE */
	bool full;             /* the trace is incomplete because something did not fit */
	char unsupported[128]; /* a call that the model does not support */
	uint64_t calls;        /* number of calls traced */
};

struct trace *trace_new(void);
void trace_free(struct trace *trace);

/* Empties the trace; `files` files exist before it begins. */
void trace_clear(struct trace *trace, const int named[NAMES], int files);

/* Traces this process's calls on the files of path from now on. Before call number kill_at (0:
 * never) the process exits immediately, as if it were killed. Flush number fail_at of a file fails
 * (0 if none). */
void trace_begin(struct trace *trace, const char *path, uint64_t kill_at, uint64_t fail_at);
void trace_end(void);
bool trace_flush_has_failed(void);

/* Adds what the program knows, and what it has written through mappings since
 * the last mark. */
void trace_mark(const struct mark *mark);

#endif
