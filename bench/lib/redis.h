/* redis.h - a connection to the Redis server of a directory.
 *
 * All programs that measure Redis include this header. peer_redis.c starts the server. The
 * functions exit with a message if Redis returns an error.
 */
#ifndef BENCH_REDIS_H
#define BENCH_REDIS_H

#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "lib/program.h"
#include "lib/store.h"

#define REDIS_SOCKET "redis.sock"

struct redis {
	redisContext *context;
	uint64_t expected;       /* number of replies not read yet */
};

/* Changes to the directory, because the path of a socket is limited in length. */
static inline void redis_enter(const char *directory)
{
	if (chdir(directory))
		die(directory, strerror(errno));
}

/* Exits with a message if a request failed. Returns the reply, which the caller frees. */
static inline redisReply *redis_checked(const struct redis *redis, redisReply *reply)
{
	if (!reply)
		die("redis", redis->context->errstr);
	if (reply->type == REDIS_REPLY_ERROR)
		die("redis", reply->str);
	return reply;
}

/* Sends a request and waits for its reply, which the caller frees. */
static inline redisReply *redis_ask(struct redis *redis, const char *format, ...)
{
	va_list arguments;
	redisReply *reply;

	va_start(arguments, format);
	reply = redisvCommand(redis->context, format, arguments);
	va_end(arguments);
	return redis_checked(redis, reply);
}

/* Sends a request with one argument and waits for its reply, which it discards. */
static inline void redis_do(struct redis *redis, const char *format, const char *argument)
{
	freeReplyObject(redis_ask(redis, format, argument));
}

/* Sets which commits are flushed. */
static inline void redis_set_level(struct redis *redis, enum level level)
{
	static const char *const appendfsync[] = {
		[LEVEL_FULL] = "always",
		[LEVEL_ONE_FLUSH] = "always",
		[LEVEL_RELAXED] = "everysec",
		[LEVEL_NONE] = "no",
	};

	redis_do(redis, "CONFIG SET appendfsync %s", appendfsync[level]);
}

/* Connects to the server of a directory, which becomes the current one. */
static inline void redis_open(struct redis *redis, const char *directory, enum level level)
{
	redis_enter(directory);
	redis->context = redisConnectUnix(REDIS_SOCKET);
	if (!redis->context || redis->context->err)
		die(directory, redis->context ? redis->context->errstr : "no memory");
	redis_set_level(redis, level);
}

/* --- pipelines --- */

/* Adds a request to the pipeline. lens may be NULL if no word contains a zero byte. */
static inline void redis_send_words(struct redis *redis, int count, const char **words,
	const size_t *lens)
{
	if (redisAppendCommandArgv(redis->context, count, words, lens) != REDIS_OK)
		die("redis", redis->context->errstr);
	redis->expected++;
}

static inline void redis_send_word(struct redis *redis, const char *word)
{
	redis_send_words(redis, 1, &word, NULL);
}

/* Receives and checks the replies to all requests of the pipeline, also those inside a reply to
 * EXEC. Returns the last reply, which the caller frees; NULL if there were no requests. */
static inline redisReply *redis_receive_all(struct redis *redis)
{
	redisReply *last = NULL;

	for (; redis->expected > 0; redis->expected--) {
		void *reply = NULL;

		freeReplyObject(last);
		if (redisGetReply(redis->context, &reply) != REDIS_OK)
			die("redis", redis->context->errstr);
		last = redis_checked(redis, reply);
		for (size_t i = 0; last->type == REDIS_REPLY_ARRAY && i < last->elements; i++)
			redis_checked(redis, last->element[i]);
	}
	return last;
}

#endif
