/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Variables of which each thread has a value of its own.
 *
 * A key is a place in a table, and how often that was given away before: a key that was
 * deleted is no other's, and what it leaves behind in threads nobody finds. A thread's
 * values lie in the heap, and only the thread comes there, so nothing is locked. They
 * are not looked at when its stack moves: an address on the stack was pinned when it
 * was set, as what the runtime is given to keep. That costs a move, but a value that
 * moved along could not be told to foreign code, which may have got it meanwhile.
 */
#include "base/parts.h"
#include "base/thread.h"
#include "base/worker.h"
#include "calls.h"
#include "unwind/defer.h"
#include "unwind/key.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdatomic.h>
#include <stdlib.h>

/* The lowest bits of a place's state; above them is how often it was given away. */
#define PLACE_FREE	0u
#define PLACE_MADE	1u		/* whoever does it has it alone */
#define PLACE_USED	2u
#define PLACE_STATES	4u
/* After that many times a place is used up. */
#define LAST_TIME	(INT_MAX / GREEN_KEYS)

#define NO_KEY		(-1)
#define FEW_VALUES	4u

struct value {
	int key;
	void *value;
};

struct green_values {
	unsigned int nr;
	/* At the thread's end: */
	unsigned int at;		/* whose turn is next */
	unsigned int passes;		/* that are over */
	bool called;			/* a destructor, in this pass */
	struct value value[];
};

static struct {
	atomic_uint state;
	void (*_Atomic destructor)(void *value);
} places[GREEN_KEYS];

static unsigned int place_of(int key)
{
	return (unsigned int)key % GREEN_KEYS;
}

static unsigned int state_of(int key)
{
	return (unsigned int)key / GREEN_KEYS * PLACE_STATES + PLACE_USED;
}

static bool is_key(int key)
{
	return key >= 0 && atomic_load_explicit(&places[place_of(key)].state,
						memory_order_acquire) == state_of(key);
}

/* NULL also if the key is gone: another's is never called. */
static void (*destructor_of(int key))(void *)
{
	void (*destructor)(void *);

	if (!is_key(key))
		return NULL;
	destructor = atomic_load_explicit(&places[place_of(key)].destructor,
					  memory_order_acquire);
	return is_key(key) ? destructor : NULL;
}

/* Give it away, if it is free: the key, or NO_KEY. */
static int make(unsigned int place, void (*destructor)(void *))
{
	atomic_uint *at = &places[place].state;
	unsigned int state = atomic_load_explicit(at, memory_order_relaxed);
	unsigned int time = state / PLACE_STATES;

	if (state % PLACE_STATES != PLACE_FREE || time >= LAST_TIME)
		return NO_KEY;
	if (!atomic_compare_exchange_strong(at, &state, state + PLACE_MADE))
		return NO_KEY;
	atomic_store(&places[place].destructor, destructor);
	atomic_store(at, state + PLACE_USED);
	return (int)(time * GREEN_KEYS + place);
}

int green_key_create(void (*destructor)(void *value))
{
	unsigned int place;
	int key;

	for (place = 0; place < GREEN_KEYS; place++) {
		key = make(place, destructor);
		if (key != NO_KEY)
			return key;
	}
	return -EAGAIN;
}

int green_key_delete(int key)
{
	unsigned int state = state_of(key);

	if (key < 0 || !atomic_compare_exchange_strong(&places[place_of(key)].state, &state,
						       state - PLACE_USED + PLACE_STATES))
		return -EINVAL;
	return 0;
}

static struct green *current(void)
{
	return green_worker ? green_worker->current : NULL;
}

/* Where @t has the value of @key; NULL: there is no room yet. */
static struct value *value_of(const struct green *t, int key)
{
	struct green_values *v = t->rare ? t->rare->values : NULL;

	return v && place_of(key) < v->nr ? &v->value[place_of(key)] : NULL;
}

void *green_key_get(int key)
{
	const struct green *t = current();
	const struct value *v = t ? value_of(t, key) : NULL;

	return v && v->key == key && is_key(key) ? v->value : NULL;
}

int green_key_put(int key, const void *value)
{
	const struct green *t = current();
	struct value *v;

	if (!t)
		return -EPERM;
	if (!is_key(key))
		return -EINVAL;
	v = value_of(t, key);
	if (!v)
		return !!value;
	*v = (struct value){ key, (void *)value };
	return 0;
}

/* The same, where there is no room for it: it is made. */
int rt_key_store(int key, const void *value)
{
	struct green *t = green_worker->current;
	struct green_rare *rare = green_rare_of(t);
	unsigned int nr = FEW_VALUES, i;
	struct green_values *v;

	if (!rare)
		return -ENOMEM;
	while (nr <= place_of(key))
		nr *= 2;
	v = realloc(rare->values, sizeof(*v) + nr * sizeof(*v->value));
	if (!v)
		return -ENOMEM;
	if (!rare->values)
		*v = (struct green_values){ 0 };
	for (i = v->nr; i < nr; i++)
		v->value[i] = (struct value){ NO_KEY, NULL };
	v->nr = nr;
	v->value[place_of(key)] = (struct value){ key, (void *)value };
	rare->values = v;
	return 0;
}

void green_values_free(struct green *t)
{
	if (!t->rare)
		return;
	free(t->rare->values);
	t->rare->values = NULL;
}

/* The next destructor of this pass, in the thread's call; or NULL. */
static struct green_defer *next_in_pass(struct green *t, struct green_values *v)
{
	void (*destructor)(void *);
	struct value *at;
	void *value;

	while (v->at < v->nr) {
		at = &v->value[v->at++];
		value = at->value;
		destructor = value ? destructor_of(at->key) : NULL;
		if (!destructor)
			continue;
		at->value = NULL;
		v->called = true;
		return green_call_with(t, destructor, value);
	}
	return NULL;
}

struct green_defer *green_destructor_take(struct green *t)
{
	struct green_values *v = t->rare ? t->rare->values : NULL;
	struct green_defer *call;

	while (v && v->passes < GREEN_KEY_PASSES) {
		call = next_in_pass(t, v);
		if (call)
			return call;
		if (!v->called)
			break;
		v->called = false;
		v->at = 0;
		v->passes++;
	}
	green_values_free(t);
	return NULL;
}

/*
 * green_thread_destroy(): the thread's function has returned. From here on it is not
 * to be left, nor cancelled, as in green_exit().
 */
struct green_defer *rt_destructor_next(void)
{
	struct green *t = green_worker->current;

	t->rare->exiting = green_caller_sp(t);
	return green_destructor_take(t);
}
