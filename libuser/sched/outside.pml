/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A model of the inbox (outside.c), for spin: two callers outside, who post the same semaphore,
 * and a worker that takes what there is, and rests; how several of them rest is in queue.pml.
 * Both callers are expected (green_outside_begin()). Either all is done once both posts are
 * received; or it is not, and they are expected until they have posted: then all wait for
 * each other, and the worker says so. Either way the run ends, and what it had is freed.
 * selftests/unit/models.sh checks that
 *
 *	- each post is received, and a semaphore is in the list once;
 *	- that all wait for each other is said, and not too early;
 *	- nobody touches the worker once it is freed;
 *
 * and that with each of the mistakes M_... some of this is not so. Each step is seen at once
 * by all; in the code read-modify-writes see to that, and base/freeze.h.
 */
#define CALLERS	2		/* each posts once */

/* The semaphore. */
byte posts;			/* that nobody has taken */
bool listed;			/* it is in the inbox */
byte received;

bool not_enough;		/* the second of the two */
byte gate;			/* callers in it */
byte expected = CALLERS;
bool closing, freed;

/* The worker; bell is its eventfd. */
bool rests, kicked, bell, ended;
bool over;

inline kick()
{
	assert(!freed);
	if
	:: rests ->
		atomic { was = kicked; kicked = true }
		if
		:: !was -> assert(!freed); bell = true
		:: else
		fi
	:: else
	fi
}

inline push()
{
	atomic { assert(!listed); listed = true }
}

inline enter()
{
	atomic { assert(!closing); gate++ }
}

inline leave()
{
	gate--
}

inline post()
{
	enter();
	atomic { first = posts == 0; posts++ }
#ifdef M_EACH_POST_IS_PUSHED
	first = true;
#endif
	if
	:: first ->
#if defined(M_KICK_BEFORE_THE_PUSH)
		kick();
		push()
#elif defined(M_KICK_OUTSIDE_OF_THE_GATE)
		push()
#else
		push();
		kick()
#endif
	:: else
	fi;
	leave()
#ifdef M_KICK_OUTSIDE_OF_THE_GATE
	;
	kick()
#endif
}

proctype caller()
{
	bool first, was;

	post();
	if
	:: not_enough ->
		enter();
		atomic { first = expected == 1; expected-- }
#ifndef M_WHO_IS_EXPECTED_LAST_KICKS_NOBODY
		if
		:: first -> kick()
		:: else
		fi;
#endif
		leave()
	:: else
	fi
}

/* What there is, received; or nothing. */
inline look()
{
#ifdef M_POSTS_TAKEN_WHILE_IN_THE_LIST
	if
	:: listed ->
		atomic { received = received + posts; posts = 0 }
		listed = false;
		goto looks
	:: else
	fi
#else
	atomic { mine = listed; listed = false }
	if
	:: mine ->
		atomic { received = received + posts; posts = 0 }
		goto looks
	:: else
	fi
#endif
}

proctype worker()
{
	bool mine, nothing;

looks:
	look();
	if
	:: over || (!not_enough && received == CALLERS) -> goto done
	:: else
	fi;
#ifdef M_INBOX_LOOKED_AT_BEFORE_THE_REST
	mine = listed;
#endif
	rests = true;
	kicked = false;
#ifndef M_INBOX_LOOKED_AT_BEFORE_THE_REST
	mine = listed;
#endif
	nothing = true;
#ifndef M_OVER_THOUGH_ONE_IS_EXPECTED
	nothing = expected == 0;
#endif
	nothing = nothing && !listed;
	nothing = nothing && !kicked;
	if
	:: nothing ->
		over = true;
		assert(not_enough && received == CALLERS && posts == 0)
	:: !nothing && !mine ->
		bell;
		bell = false
	:: else
	fi;
	rests = false;
	goto looks;
done:
	ended = true
}

/* green_run() at its end. */
proctype run_ends()
{
	ended;
	closing = true;
	gate == 0;
	freed = true
}

init
{
	atomic {
		if
		:: not_enough = true
		:: skip
		fi;
		run caller();
		run caller();
		run worker();
		run run_ends()
	}
}
