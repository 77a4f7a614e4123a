/* layout.h - layout of LMDB's data file and lock file, and the LMDB versions for which this layout
 * is valid.
 *
 * Every file that accesses the data file (format.c, raw_cursor.c, audit.c, environment.c) or
 * the lock file (lock_file.c, lock_mutexes.c, readers.c, recovery.c) without LMDB uses these
 * constants. They are valid for these versions and machines:
 *
 *     LMDB      0.9.24 to 0.9.69: data format 1, lock format 1. Processes with
 *               different ones of these versions can share a database. LMDB 1.0 and
 *               its development line, 0.9.70 and later, have other formats.
 *     machines  64 bits, either byte order, pages of up to 32 KiB
 *     mutexes   POSIX, process-shared and robust, stored in the lock file; the
 *               lock file's header depends on their size:
 *                   40 bytes   glibc on x86-64, musl       header of 128 bytes
 *                   48 bytes   glibc on arm64              header of 192 bytes
 *
 * Everything else is refused: by #error below and in lmdb/internal.h, by
 * lmdb_version_check when a database is opened, by meta_page_read (data file of another
 * format) and by lock_mutexes_check (mutexes that are not robust). `make versions`,
 * `make arm64` and `make musl` run the tests with other versions, processors and C
 * libraries.
 */
#ifndef LMDB_FILE_LAYOUT_H
#define LMDB_FILE_LAYOUT_H

#if __SIZEOF_POINTER__ != 8
#error "tidetable needs a 64-bit machine: the files of LMDB are different on 32 bits"
#endif

#include <pthread.h>
#include <stdint.h>

/* Magic number of LMDB's data file and lock file. */
#define LMDB_MAGIC UINT32_C(0xbeefc0de)

/* Oldest supported patch level of LMDB 0.9, and the first patch level that has the format of LMDB
 * 1.0. */
#define LMDB_OLDEST_PATCH 24
#define LMDB_NEXT_FORMAT_PATCH 70

/* --- the data file --- */

#define LMDB_DATA_FORMAT 1
#define LMDB_PAGE_HEADER 16

/* Header size of LMDB 1.0, whose page header also contains a transaction number. The format
 * number of a meta page is in the low 16 bits of its word there. */
#define LMDB_1_PAGE_HEADER 24
#define LMDB_1_FORMAT_BITS UINT32_C(0xffff)

/* --- the lock file ---
 *
 *     0    magic, 4; lock format, 4
 *     8    mutex of the reader table
 *          last commit, 8; number of slots ever used, 4; padding up to 64 bytes
 *          mutex of the writer; padding up to 64 bytes
 *          slots of the readers, 64 bytes each: snapshot, 8; pid, 4; unused, 4;
 *          thread, 8; padding
 */
#define LMDB_LOCK_LINE 64
#define LMDB_LOCK_LINES(bytes) \
	(((bytes) + LMDB_LOCK_LINE - 1) / LMDB_LOCK_LINE * LMDB_LOCK_LINE)

#define LMDB_READER_MUTEX_AT 8
#define LMDB_PUBLISHED_AT (LMDB_READER_MUTEX_AT + sizeof(pthread_mutex_t))
#define LMDB_WRITER_MUTEX_AT \
	LMDB_LOCK_LINES(LMDB_READER_MUTEX_AT + sizeof(pthread_mutex_t) + 8 + 4)
#define LMDB_SLOTS_AT \
	(LMDB_WRITER_MUTEX_AT + LMDB_LOCK_LINES(sizeof(pthread_mutex_t)))
#define LMDB_SLOT_BYTES 64
#define LMDB_SLOT_PID_AT 8
#define LMDB_SLOT_THREAD_AT 16

#define LMDB_LOCK_BYTES(readers) (LMDB_SLOTS_AT + LMDB_SLOT_BYTES * (size_t)(readers))

_Static_assert(sizeof(pthread_mutex_t) == 40 || sizeof(pthread_mutex_t) == 48,
	"the lock file's layout is known only for mutexes of 40 and 48 bytes");

#endif
