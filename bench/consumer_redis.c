/* consumer_redis.c - Redis: a stream with a consumer group; counters are strings.
 *
 * One request handles a batch: MULTI with an INCRBY for each change, XACK for the batch and
 * XREADGROUP for the next batch, which is in the reply to EXEC. This is one round trip, one
 * transaction and one flush of the append-only file. peer_redis.c starts the server.
 */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/consumer.h"

#define SOCKET "redis.sock"
#define MAKE_BATCH 1000
#define NUMBER 24                /* digits of a number and a zero */
#define WORDS_BEFORE_IDS 3       /* XACK changes bench */

static const char *const appendfsync[] = {
	[LEVEL_FULL] = "always",
	[LEVEL_ONE_FLUSH] = "always",
	[LEVEL_RELAXED] = "everysec",
	[LEVEL_NONE] = "no",
};

static redisContext *server;
static uint64_t expected;        /* number of replies not read yet */

/* Reply that contains the batch in hand, and its entries in it. */
static redisReply *reply;
static const redisReply *entries;

static void describe(void)
{
	printf("hiredis %d.%d, unix socket; the server is that of peer_redis\n", HIREDIS_MAJOR,
		HIREDIS_MINOR);
	printf("full: appendfsync always; none: no\n");
	printf("MULTI; INCRBY CUSTOMER TOTAL, or INCRBY records BATCH; XACK changes bench ID...; "
		"XREADGROUP GROUP bench 1 COUNT BATCH STREAMS changes >; EXEC\n");
}

/* --- requests --- */

static redisReply *checked(redisReply *got)
{
	if (!got)
		die("redis", server->errstr);
	if (got->type == REDIS_REPLY_ERROR)
		die("redis", got->str);
	return got;
}

static void ask(const char *format, const char *value)
{
	freeReplyObject(checked(redisCommand(server, format, value)));
}

static void send_words(int count, const char **words, const size_t *lens)
{
	if (redisAppendCommandArgv(server, count, words, lens) != REDIS_OK)
		die("redis", server->errstr);
	expected++;
}

static void send_word(const char *word)
{
	send_words(1, &word, NULL);
}

/* Receives all replies and returns the last of them, which may contain others. */
static redisReply *receive_all(void)
{
	redisReply *last = NULL;

	for (; expected > 0; expected--) {
		void *got = NULL;

		freeReplyObject(last);
		if (redisGetReply(server, &got) != REDIS_OK)
			die("redis", server->errstr);
		last = checked(got);
		for (size_t i = 0; last->type == REDIS_REPLY_ARRAY && i < last->elements; i++)
			checked(last->element[i]);
	}
	return last;
}

static void receive_nothing(void)
{
	freeReplyObject(receive_all());
}

/* --- opening --- */

static void open_server(const char *path, enum level level)
{
	if (chdir(path))         /* the path of a socket is limited in length */
		die(path, strerror(errno));
	server = redisConnectUnix(SOCKET);
	if (!server || server->err)
		die(path, server ? server->errstr : "no memory");
	ask("CONFIG SET appendfsync %s", appendfsync[level]);
}

static void close_server(void)
{
	freeReplyObject(reply);
	redisFree(server);
}

static void record(uint64_t number)
{
	struct order order;
	const char *words[] = { "XADD", "changes", "*", "key", (const char *)order.key, "old", "",
		"new", (const char *)order.item };
	const size_t lens[] = { 4, 7, 1, 3, ORDER_KEY, 3, 0, 3, ORDER_ITEM };

	sale_make(&order, number);
	send_words(9, words, lens);
}

/* The flush after the last write flushes the whole file. */
static void make(uint64_t records)
{
	for (uint64_t i = 0; i < records; i++) {
		record(i);
		if (expected == MAKE_BATCH)
			receive_nothing();
	}
	receive_nothing();
	for (uint64_t i = 0; i < SALE_CUSTOMERS; i++)
		ask("SET %s 0", sale_customer(i));
	ask("CONFIG SET appendfsync %s", appendfsync[LEVEL_FULL]);
	ask("SET %s 0", RECORDS_COUNTER);
}

/* --- batches --- */

static void send_read(uint64_t batch)
{
	char number[NUMBER];
	const char *words[] = { "XREADGROUP", "GROUP", "bench", "1", "COUNT", number, "STREAMS",
		"changes", ">" };

	snprintf(number, sizeof number, "%llu", (unsigned long long)batch);
	send_words(9, words, NULL);
}

/* Sets the batch in hand; `of` is the reply to XREADGROUP in `all`. */
static void take(redisReply *all, const redisReply *of)
{
	freeReplyObject(reply);
	reply = all;
	entries = of->type == REDIS_REPLY_ARRAY && of->elements ?
		of->element[0]->element[1] : NULL;
}

static void start(const struct job *job)
{
	redisReply *all;

	freeReplyObject(checked(redisCommand(server, "XGROUP DESTROY changes bench")));
	freeReplyObject(checked(redisCommand(server, "XGROUP CREATE changes bench 0")));
	send_read(job->batch);
	all = receive_all();
	take(all, all);
}

static void send_add(const char *counter, int64_t amount)
{
	char number[NUMBER];
	const char *words[] = { "INCRBY", counter, number };

	snprintf(number, sizeof number, "%lld", (long long)amount);
	send_words(3, words, NULL);
}

static void handle_changes(const struct job *job)
{
	for (size_t i = 0; job->is_counters && i < entries->elements; i++) {
		const redisReply *image = entries->element[i]->element[1]->element[5];
		struct sale sale;

		sale_read(&sale, image->str, image->len);
		if (job->is_exact)
			send_add(sale.customer, sale.total);
		else
			sale_add(&sale);
	}
	if (!job->is_counters && job->is_exact)
		send_add(RECORDS_COUNTER, (int64_t)entries->elements);
	else if (!job->is_counters)
		sale_count(entries->elements);
}

static void send_acknowledgement(void)
{
	static const char **words;
	static size_t size;
	size_t count = WORDS_BEFORE_IDS + entries->elements;

	if (count > size) {
		free(words);
		words = get_memory(count * sizeof *words);
		size = count;
	}
	words[0] = "XACK";
	words[1] = "changes";
	words[2] = "bench";
	for (size_t i = 0; i < entries->elements; i++)
		words[WORDS_BEFORE_IDS + i] = entries->element[i]->element[0]->str;
	send_words((int)count, words, NULL);
}

static uint64_t handle(const struct job *job)
{
	uint64_t changes = entries ? entries->elements : 0;
	redisReply *all;

	if (!changes)
		return 0;
	send_word("MULTI");
	handle_changes(job);
	send_acknowledgement();
	send_read(job->batch);
	send_word("EXEC");
	all = receive_all();
	if (all->type != REDIS_REPLY_ARRAY || !all->elements)
		die("redis", "EXEC should return replies");
	take(all, all->element[all->elements - 1]);
	return changes;
}

static int64_t value_of(const char *counter)
{
	redisReply *got = checked(redisCommand(server, "GET %s", counter));
	int64_t value = strtoll(got->str, NULL, 10);

	freeReplyObject(got);
	return value;
}

static int64_t sum(void)
{
	int64_t all = value_of(RECORDS_COUNTER);

	for (uint64_t i = 0; i < SALE_CUSTOMERS; i++)
		all += value_of(sale_customer(i));
	return all;
}

const struct consumer consumer = {
	.describe = describe,
	.open = open_server,
	.close = close_server,
	.make = make,
	.start = start,
	.handle = handle,
	.sum = sum,
};
