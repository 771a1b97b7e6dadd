/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A model of workers with queues of their own, for spin: each runs what its queue has,
 * takes half of another's if it is empty, and rests if there is nothing anywhere, until
 * it is kicked or its ring has something. Thread 0 makes thread 1 ready, which is bound
 * to the worker that has nothing; thread 3 comes by the ring of worker 0.
 * selftests/unit/models.sh checks that
 *
 *	- each thread runs, once, and a bound one on its worker;
 *	- nobody rests, for good, while there is what only he may run;
 *	- who says that nobody can ever go on is right;
 *
 * and that with each of the mistakes M_... some of this is not so.
 */
#define WORKERS	2
#define THREADS	4

/* Where a thread is: in the queue of worker 0 or 1, or ... */
#define HAND	2		/* taken from a queue, by a worker that is awake */
#define RAN	3
#define WAITS	4		/* for thread 0, or in the ring */

byte where[THREADS];
bool lock[WORKERS];		/* of the queue */
bool idle[WORKERS], kicked[WORKERS];
bool in_ring = true;		/* thread 3, and its call ... */
bool ended;			/* ... has */
bool over;			/* somebody has said that nobody can go on */

#define bound(t)	(t == 1)
#define is_in(w, t)	(where[t] == w)
#define ready(w)	(is_in(w, 0) || is_in(w, 1) || is_in(w, 2) || is_in(w, 3))
#define all_ran		(where[0] == RAN && where[1] == RAN && where[2] == RAN && where[3] == RAN)
#define stealable(w)	(is_in(w, 0) || is_in(w, 2) || is_in(w, 3))

inline take_lock(w)
{
	atomic { !lock[w] -> lock[w] = true }
}

/* Make @t ready on @w. */
inline put(w, t)
{
#ifdef M_KICK_BEFORE_THE_PUT
	kick_for(w, t);
#endif
	take_lock(w);
	assert(where[t] == WAITS || where[t] == HAND);
	where[t] = w;
	lock[w] = false;
#ifndef M_KICK_BEFORE_THE_PUT
	kick_for(w, t)
#endif
}

/* The worker that has to be told, or any that could help. */
inline kick_for(w, t)
{
	if
#ifdef M_KICK_WHO_MAY_NOT_RUN_IT
	:: idle[1 - w] -> kicked[1 - w] = true
	:: else -> skip
#else
	:: idle[w] -> kicked[w] = true
	:: !idle[w] && !bound(t) && idle[1 - w] -> kicked[1 - w] = true
	:: else -> skip
#endif
	fi
}

/* Runs @t, which it has. */
inline run_thread(me, t)
{
	d_step {
		assert(where[t] == HAND && (!bound(t) || me == 1));
		where[t] = RAN
	}
	if
	:: t == 0 -> put(1, 1)
	:: else
	fi
}

/* The first of its queue; NONE if there is none. */
#define NONE	THREADS

inline first_of(w, t)
{
	take_lock(w);
	d_step {
		t = 0;
		do
		:: t < THREADS && where[t] != w -> t++
		:: else -> break
		od;
		if
		:: t < THREADS -> where[t] = HAND
		:: else
		fi
	}
	lock[w] = false
}

/* Half of what @v has, rounded up: the first to run, the rest into the own queue. */
inline steal(me, v, t)
{
#ifdef M_COUNT_BEFORE_THE_LOCK
	count(v);
	take_lock(v);
#else
	take_lock(v);
	count(v);
#endif
	n = (n + 1) / 2;
	d_step {
		t = 0;
		mine = 0;
		do
		:: n > 0 ->
			if
			:: where[t] == v && !bound(t) ->
				where[t] = HAND;
				mine = mine | (1 << t);
				n--
			:: else
			fi;
			t++;
			assert(t < THREADS || n == 0)
		:: else -> break
		od;
		t = 0;
		do
		:: t < THREADS && !(mine & (1 << t)) -> t++
		:: else -> break
		od;
		if
		:: t < THREADS -> mine = mine & ~(1 << t)
		:: else
		fi
	}
	lock[v] = false;
	/* Never both locks: neither would give way. */
	if
	:: mine ->
		take_lock(me);
		d_step {
			n = 0;
			do
			:: n < THREADS ->
				if
				:: mine & (1 << n) -> where[n] = me
				:: else
				fi;
				n++
			:: else -> break
			od;
			mine = 0;
			n = 0
		}
		lock[me] = false
	:: else
	fi
}

/* How many others may take from @v. */
inline count(v)
{
	d_step {
		n = 0;
		t = 0;
		do
		:: t < THREADS ->
			if
			:: where[t] == v && !bound(t) -> n++
			:: else
			fi;
			t++
		:: else -> break
		od
	}
}

proctype worker(bit me)
{
	byte t, n, mine;

looks:
	if
	:: me == 0 && in_ring && ended -> in_ring = false; put(me, 3); goto looks
	:: ready(me) -> first_of(me, t)
	:: !ready(me) && stealable(1 - me) -> steal(me, 1 - me, t)
	:: else -> goto rests
	fi;
	if
	:: t < THREADS -> run_thread(me, t)
	:: else
	fi;
	goto looks;

rests:
	/* First it says that it rests, then it looks again. */
#ifdef M_LOOK_BEFORE_IT_SAYS_SO
	skip;
#else
	idle[me] = true;
#endif
	if
	:: ready(me) || stealable(1 - me) ->
		idle[me] = false;
		goto looks
	:: else
	fi;
	idle[me] = true;
#ifdef M_OVER_THOUGH_ANOTHER_IS_AWAKE
	if
	:: !ready(0) && !ready(1) && !in_ring -> over = true; assert(all_ran)
#else
	if
	:: idle[1 - me] && !ready(0) && !ready(1) && !in_ring -> over = true; assert(all_ran)
#endif
	:: else
	fi;
	if
	:: over -> goto done
	:: kicked[me] ->
		kicked[me] = false;
		idle[me] = false;
		goto looks
	:: me == 0 && in_ring && ended ->
		/* It rises first: what it takes from the ring is nowhere else. */
#ifdef M_RISE_AFTER_THE_RING
		in_ring = false;
		idle[me] = false;
#else
		idle[me] = false;
		in_ring = false;
#endif
		put(me, 3);
		goto looks
	fi;
done:
	skip
}

proctype kernel()
{
	ended = true
}

init
{
	atomic {
		where[1] = WAITS;
		where[3] = WAITS;
		run kernel();
		run worker(0);
		run worker(1)
	}
	_nr_pr == 1;
	assert(all_ran)
}
