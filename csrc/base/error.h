/* error.h - the list of all errors and struct failure, which describes one.
 *
 * Functions return 0 on success and a negative enum error on failure. Readers
 * and cursors may also return END (positive) after the last row.
 *
 * Columns of ERROR_MAP: name, number, err.code in Lua, name of DynamoDB's
 * exception, message. The message is DynamoDB's own text where there is one.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdbool.h>
#include <stdint.h>

#define END 1

#define ERROR_MAP(X) \
	/* resources */ \
	X(NO_MEMORY, -1, "NO_MEMORY", "InternalServerError", "out of memory") \
	X(STORE, -2, "STORE", "InternalServerError", "storage error") \
	X(CORRUPT, -3, "CORRUPT", "InternalServerError", "stored bytes do not decode") \
	X(FULL, -4, "FULL", "LimitExceededException", "the database has reached its maximum size") \
	X(DISK_FULL, -5, "DISK_FULL", "InternalServerError", "the disk is full") \
	X(BUSY, -6, "BUSY", "ThrottlingException", "another writer holds the database") \
	X(READERS_FULL, -7, "READERS_FULL", "LimitExceededException", \
		"every reader slot is taken") \
	X(TOO_BIG, -8, "TOO_BIG", "LimitExceededException", "the transaction is too big") \
	X(UNKNOWN_OUTCOME, -9, "UNKNOWN_OUTCOME", "InternalServerError", \
		"the commit failed and its outcome is unknown") \
	X(INTERRUPTED, -10, "INTERRUPTED", "RequestTimeout", "interrupted") \
	X(TIMEOUT, -11, "TIMEOUT", "RequestTimeout", "timed out") \
	/* the file */ \
	X(NOT_DATABASE, -20, "NOT_DATABASE", "ValidationException", \
		"the file is not a tidetable database") \
	X(NEWER_FORMAT, -21, "NEWER_FORMAT", "ValidationException", \
		"the database was written by a newer tidetable; this one can't read it") \
	X(FOREIGN_FORMAT, -22, "FOREIGN_FORMAT", "ValidationException", \
		"the database was written on a machine with a different word size, byte" \
		" order or page size") \
	X(NO_FILE, -23, "NO_FILE", "ResourceNotFoundException", \
		"the database does not exist") \
	X(PERMISSION, -24, "PERMISSION", "AccessDeniedException", "permission denied") \
	X(OPTIONS, -25, "OPTIONS", "ValidationException", \
		"the database is already open in this process with other options") \
	X(NAMESPACE, -26, "NAMESPACE", "ValidationException", \
		"the database is in use by a process in another PID namespace") \
	X(OLDER_FORMAT, -27, "OLDER_FORMAT", "ValidationException", \
		"the database was written by an early version of tidetable; this one can't read" \
		" it") \
	X(FILE_REPLACED, -28, "FILE_REPLACED", "ResourceNotFoundException", \
		"the database file was replaced by another file") \
	X(FILE_GONE, -29, "FILE_GONE", "ResourceNotFoundException", \
		"the database file was removed or renamed") \
	/* the handle */ \
	X(CLOSED, -30, "CLOSED", "ValidationException", "the handle is closed") \
	X(FORKED, -31, "FORKED", "ValidationException", \
		"the handle belongs to the parent process; open the database again after fork") \
	X(READ_ONLY, -32, "READ_ONLY", "AccessDeniedException", "the database is open read-only") \
	X(NESTED, -33, "NESTED", "ValidationException", \
		"a transaction is open: use its tx, or wait until it ends") \
	X(CONFLICT, -34, "CONFLICT", "TransactionConflictException", \
		"an item that the transaction read has changed") \
	/* tables and streams */ \
	X(NOT_FOUND, -40, "NOT_FOUND", "ResourceNotFoundException", \
		"requested resource not found") \
	X(IN_USE, -41, "IN_USE", "ResourceInUseException", "the resource is in use") \
	X(TRIMMED, -42, "TRIMMED", "TrimmedDataAccessException", \
		"records at this position were already trimmed") \
	X(AHEAD, -43, "AHEAD", "ValidationException", \
		"the position is ahead of the last change: it belongs to another database") \
	X(LIMIT, -44, "LIMIT", "LimitExceededException", "a limit of the database was reached") \
	X(VALIDATION, -45, "VALIDATION", "ValidationException", "the request is not valid") \
	X(CANCELLED, -48, "CANCELLED", "TransactionCanceledException", \
		"the transaction was cancelled") \
	X(CONDITION_FAILED, -47, "CONDITION_FAILED", "ConditionalCheckFailedException", \
		"The conditional request failed") \
	X(STREAM_ENDED, -46, "STREAM_ENDED", "ResourceNotFoundException", \
		"the stream has ended") \
	/* consumers */ \
	X(CONSUMER_GONE, -50, "CONSUMER_GONE", "ResourceNotFoundException", \
		"the consumer was deleted") \
	X(CONSUMER_DIFFERS, -51, "CONSUMER_DIFFERS", "ResourceInUseException", \
		"the consumer exists with other settings") \
	X(LEASE_LOST, -52, "LEASE_LOST", "ResourceInUseException", \
		"another worker has taken over, or the position was set by a command") \
	X(SOURCE_GONE, -53, "SOURCE_GONE", "ResourceNotFoundException", \
		"the consumer's table was deleted") \
	X(STREAM_GAP, -54, "STREAM_GAP", "ResourceNotFoundException", \
		"the consumer's stream was disabled") \
	X(BATCH_FAILED, -55, "BATCH_FAILED", "InternalServerError", \
		"the handler failed") \
	X(LOOP, -56, "LOOP", "LimitExceededException", \
		"consumers lead to their own records again") \
	X(PARKED, -57, "PARKED", "ResourceInUseException", \
		"the consumer has parked records") \
	X(PARKED_FULL, -58, "PARKED_FULL", "LimitExceededException", \
		"the consumer may not park more records") \
	X(PARKED_CHANGED, -59, "PARKED_CHANGED", "ResourceInUseException", \
		"a command has changed the parked records of the consumer") \
	X(CONSUMER_PAUSED, -49, "CONSUMER_PAUSED", "ResourceInUseException", \
		"the consumer is paused") \
	/* replication */ \
	X(REPLICATED, -90, "REPLICATED", "ResourceInUseException", \
		"the table is replicated from another database and can't be changed here") \
	X(SOURCE_DIFFERS, -91, "SOURCE_DIFFERS", "ValidationException", \
		"the source is not the database that was replicated before") \
	X(PROMOTED, -92, "PROMOTED", "ResourceInUseException", "the replica was promoted") \
	X(COPYING, -93, "COPYING", "ResourceInUseException", \
		"the replica has not copied all items yet") \
	X(REPLICA_MOVED, -94, "REPLICA_MOVED", "ResourceInUseException", \
		"another process has moved the replica's position") \
	X(WOULD_LOSE, -95, "WOULD_LOSE", "ResourceInUseException", \
		"changes that were not replicated would be lost") \
	X(NOT_FOLLOWED, -96, "NOT_FOLLOWED", "ValidationException", \
		"the table can't be replicated") \
	X(INCOMPLETE, -97, "INCOMPLETE", "ValidationException", \
		"the input ended before its end was announced") \
	/* numbers */ \
	X(NUMBER_SYNTAX, -60, "VALIDATION", "ValidationException", \
		"The parameter cannot be converted to a numeric value") \
	X(NUMBER_OVERFLOW, -61, "VALIDATION", "ValidationException", \
		"Number overflow. Attempting to store a number with magnitude larger than" \
		" supported range") \
	X(NUMBER_UNDERFLOW, -62, "VALIDATION", "ValidationException", \
		"Number underflow. Attempting to store a number with magnitude smaller than" \
		" supported range") \
	X(NUMBER_DIGITS, -63, "VALIDATION", "ValidationException", \
		"Attempting to store more than 38 significant digits in a Number") \
	X(NUMBER_FINITE, -64, "VALIDATION", "ValidationException", \
		"NaN and infinity are not supported") \
	/* values */ \
	X(NOT_UTF8, -70, "VALIDATION", "ValidationException", \
		"a string must be UTF-8 (for bytes use tidetable.binary)") \
	X(TOO_DEEP, -71, "VALIDATION", "ValidationException", \
		"Nesting Levels have exceeded supported limits") \
	X(ITEM_TOO_BIG, -72, "VALIDATION", "ValidationException", \
		"Item size has exceeded the maximum allowed size") \
	X(EMPTY_SET, -73, "VALIDATION", "ValidationException", \
		"One or more parameter values were invalid: a set may not be empty") \
	X(DUPLICATE_MEMBER, -74, "VALIDATION", "ValidationException", \
		"Input collection contains duplicates") \
	X(EMPTY_NAME, -75, "VALIDATION", "ValidationException", "Empty attribute name") \
	X(NAME_TOO_LONG, -76, "VALIDATION", "ValidationException", \
		"an attribute name has more than 65535 bytes") \
	/* keys */ \
	X(KEY_MISSING, -80, "VALIDATION", "ValidationException", \
		"One or more parameter values were invalid: Missing the key in the item") \
	X(KEY_TYPE, -81, "VALIDATION", "ValidationException", \
		"One or more parameter values were invalid: Type mismatch for key") \
	X(KEY_EMPTY, -82, "VALIDATION", "ValidationException", \
		"One or more parameter values are not valid. The AttributeValue for a key" \
		" attribute cannot contain an empty value") \
	X(PARTITION_KEY_TOO_LONG, -83, "VALIDATION", "ValidationException", \
		"One or more parameter values were invalid: Size of hashkey has exceeded the" \
		" maximum size limit of 2048 bytes") \
	X(SORT_KEY_TOO_LONG, -84, "VALIDATION", "ValidationException", \
		"One or more parameter values were invalid: Aggregated size of all range keys" \
		" has exceeded the size limit of 1024 bytes") \
	X(KEY_SCHEMA, -85, "VALIDATION", "ValidationException", \
		"The provided key element does not match the schema")

enum error {
#define ERROR_ENUM(name, number, code, exception, text) ERR_##name = number,
	ERROR_MAP(ERROR_ENUM)
#undef ERROR_ENUM
};

/* Columns of the map; an unknown number is treated as STORE. */
const char *error_code(int err);
const char *error_exception(int err);
const char *error_text(int err);

/* Returns the error with this name in the map, 0 if there is none. */
int error_named(const char *name);

/* failure - description of an error.
 *
 * A function with a failure parameter fills it whenever it returns a negative
 * value. Fields that are unknown are 0.
 */
struct failure {
	int err;             /* enum error */
	int system;          /* errno or LMDB error number; 0 if neither */
	int64_t pid;         /* BUSY: process that holds the lock; 0 if unknown */
	bool transient;      /* BUSY: lasts milliseconds; the caller may retry after a pause */
	uint64_t first;      /* TRIMMED: first and last sequence number removed */
	uint64_t last;
	char message[256];   /* the middle of a long message is replaced by "..." */
};

/* The fail functions fill failure (may be NULL) and return err. The message of fail is the text of
 * ERROR_MAP. fail_about puts the formatted subject before that text, fail_with the formatted detail
 * after it, each with a colon in between. fail_as replaces the text by the formatted one. */
int fail(struct failure *failure, int err);
int fail_about(struct failure *failure, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int fail_with(struct failure *failure, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int fail_as(struct failure *failure, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
