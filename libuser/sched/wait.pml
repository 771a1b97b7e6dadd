/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A model of wait.h, for spin: two workers run one thread, which waits several times in
 * an object, with a deadline or without; another thread brings what it waits for, one
 * cancels it, one moves it. selftests/unit/models.sh checks that
 *
 *	- the thread goes on, each time, by one hand: it is never in two queues, and never
 *	  parked for ever;
 *	- what was brought is neither lost nor taken twice;
 *	- who ends a wait ends that one, and not a later one;
 *	- nobody touches its stack while that moves, nor the object when the thread has
 *	  gone on and may have freed it;
 *
 * and that with each of the mistakes M_... some of this is not so. Each step is seen at once
 * by all; in the code barriers see to that (base/freeze.h).
 */
#define ROUNDS	2
#define POSTS	2

mtype = { RUNNING, READY, PARKED, CLAIMED, MOVING, DONE };
mtype = { NOTHING, BROUGHT, LATE, CANCELLED };	/* how a wait ended */

/* The thread. */
mtype state = READY;
mtype ret = NOTHING;
bool asked;			/* green_cancel(), and nothing has come of it yet */
byte queued = 1;		/* times that it is in a run queue */
byte wait;			/* which of its waits: counts up */
bool deadline;			/* that one has one ... */
bool timer;			/* ... and is in the heap */
bool moving;			/* its stack is half here, half there */

/* The object: a semaphore, which may lie on the thread's stack. */
bool lock, gone;
bool in_list;			/* the thread's waiter is in it */
byte tokens, brought, taken;

bool timers_lock;

inline take(l)
{
	atomic { !l -> l = true }
}

inline lock_object()
{
	take(lock);
	assert(!gone)
}

/* What green_spin_unlock() looks at is looked at before the store. */
inline unlock_object()
{
	assert(!gone);
	lock = false;
#ifdef M_LOOK_AT_THE_LOCK_LATE
	assert(!gone)
#endif
}

/* A mover is waited for: that ends. */
inline claim(ok)
{
#ifdef M_CLAIM_FAILS_AT_A_MOVE
	atomic { ok = (state == PARKED); if :: ok -> state = CLAIMED :: else fi }
#else
	atomic {
		state != MOVING ->
		ok = (state == PARKED);
		if
		:: ok -> state = CLAIMED
		:: else
		fi
	}
#endif
}

inline ready()
{
#ifndef M_TIMER_STAYS
	take(timers_lock);
	timer = false;
	timers_lock = false;
#endif
	d_step {
		assert(state == CLAIMED && queued == 0);
		state = READY;
		queued++
	}
}

/* Who calls has claimed it. */
inline abort_wait(why)
{
#ifdef M_READY_BEFORE_UNLINK
	ret = why;
	ready();
	lock_object();
	in_list = false;
	unlock_object();
#else
	lock_object();
	in_list = false;
	unlock_object();
	ret = why;
	ready();
#endif
}

/*
 * The caller has asked, or has found that somebody did. It holds the thread while it
 * looks: if nothing is due, whoever ends the wait must not miss it.
 */
inline cancel_now()
{
	ok = false;
	do
	:: atomic { state == PARKED -> state = MOVING }
	   if
	   :: asked -> state = CLAIMED; ok = true
	   :: else -> state = PARKED
	   fi;
	   break
#ifdef M_CANCEL_GIVES_UP_AT_A_MOVE
	:: state == MOVING -> break
#endif
	:: state != PARKED && state != MOVING -> break
	od;
	if
	:: ok ->
		asked = false;
		abort_wait(CANCELLED)
	:: else
	fi
}

/*
 * A worker runs the thread until that has parked: then it is another's. Each rings the
 * timers of both.
 */
proctype worker(bit me)
{
	bool ok, parked;
	byte which;

end:	do
	:: parked ->
		parked = false;
#ifndef M_NO_LOOK_AFTER_PARKING
		if
		:: asked -> cancel_now()
		:: else
		fi
#endif
	:: atomic {
		!parked &&
		queued ->
		assert(state == READY && queued == 1);
		queued--;
		state = RUNNING
	   }
	   assert(!moving);
	   goto runs
	:: state == DONE -> break
	:: !parked && timer -> goto rings
looks:
	   skip
	od;
	goto done

rings:	take(timers_lock);
	ok = false;
	if
	:: timer ->
		which = wait;
#ifdef M_RING_THEN_CLAIM
		timer = false;
		timers_lock = false;
#endif
		claim(ok);
		/* One that is about to park is left in the heap. */
		if
#ifdef M_RING_FOR_WHAT_RUNS
		:: timer = false
#else
		:: ok -> timer = false
		:: else
#endif
		fi
	:: else
	fi;
	timers_lock = false;
	if
	:: ok ->
		assert(which == wait);
		abort_wait(LATE)
	:: else
	fi;
	goto looks;

runs:	/* Who has ended the wait has left nothing of it. */
	assert(!in_list && !timer);
	if
	:: ret == BROUGHT -> taken++
	:: else
	fi;
	if
	:: ret == BROUGHT && taken == POSTS ->
		/* It knows that nobody else comes here. */
		gone = true;
		state = DONE;
		goto looks
	:: ret == CANCELLED || asked || wait == ROUNDS ->
		state = DONE;
		goto looks
	:: else
	fi;
	ret = NOTHING;
	lock_object();
	if
	:: tokens > 0 ->
		tokens--;
		taken++;
		unlock_object();
		goto runs
	:: else
	fi;
	wait++;
	if
	:: deadline = true;
	   take(timers_lock);
	   timer = true;
	   timers_lock = false
	:: deadline = false
	fi;
	in_list = true;
#ifdef M_PARK_WITHOUT_THE_LOCK
	unlock_object();
	parked = true;
	state = PARKED;
#else
	parked = true;
	state = PARKED;
	unlock_object();
#endif
	goto looks;

done:	skip
}

/* Brings two things. */
proctype bringer()
{
	bool ok;

	do
	:: brought < POSTS ->
		lock_object();
		brought++;
		ok = false;
		if
		:: in_list ->
			in_list = false;
			claim(ok)
		:: else
		fi;
		if
		:: ok ->
			/* Into the thread's own variable. */
			assert(!moving);
			ret = BROUGHT;
#ifdef M_READY_UNDER_THE_LOCK
			ready();
			unlock_object()
#else
			unlock_object();
			ready()
#endif
		:: else ->
			tokens++;
			unlock_object()
		fi
	:: else -> break
	od
}

proctype canceller()
{
	bool ok;

	asked = true;
	cancel_now()
}

proctype mover()
{
	bool ok;
	byte n;

	do
	:: n < 1 ->
		n++;
		atomic {
			ok = (state == PARKED);
#ifndef M_MOVE_WHAT_CAN_BE_CLAIMED
			if
			:: ok -> state = MOVING
			:: else
			fi
#endif
		}
		if
		:: ok ->
			moving = true;
			moving = false;
#ifndef M_MOVE_WHAT_CAN_BE_CLAIMED
			state = PARKED
#endif
		:: else
		fi
	:: else -> break
	od
}

init
{
	atomic {
		run worker(0);
		run worker(1);
		run bringer();
		run mover();
		if
		:: run canceller()
		:: skip
		fi
	}
	/* Each process ends, but a thread may wait for what nobody brings. */
	(_nr_pr == 1 || timeout);
	assert(taken + tokens == brought);
	assert(brought == POSTS);
	assert(state == DONE || (state == PARKED && in_list && !deadline && !asked && !tokens))
}
