/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A model of workers with queues of their own (worker.c, steal.c, kick.c), for spin: each
 * runs what its queue has, takes half of another's if that is empty, and rests if there is
 * nothing anywhere, until it is kicked or a call of its ring has ended. Thread 0 makes thread 2
 * ready and computes until that has run, so somebody has to come for it; then thread 1,
 * which is bound to worker 1. Thread 3 waits in the ring of worker 1.
 * selftests/unit/models.sh checks that
 *
 *	- each thread runs, once, and a bound one on its worker;
 *	- nobody rests for good while there is a thread that he may run, be it in the queue
 *	  of one who is busy;
 *	- who says that nobody can ever go on is right;
 *
 * and that with each of the mistakes M_... some of this is not so. Each step is seen at once
 * by all; in the code barriers see to that (base/freeze.h).
 */
#define WORKERS	2
#define THREADS	4

/* Where a thread is: in the queue of worker 0 or 1, or ... */
#define HAND	2		/* a worker's that is awake */
#define RAN	3
#define WAITS	4		/* for thread 0, or in the ring */

byte where[THREADS];
bool in_ring = true;		/* thread 3, and its call ... */
bool ended;			/* ... has */

/* Of a worker: its lock guards its queue, and these two. */
bool lock[WORKERS], rests[WORKERS], kicked[WORKERS];
byte nr_idle, rises;
bool over;			/* somebody has said that nobody can go on */

#define bound(t)	(t == 1)
#define ready(w)	(where[0] == w || where[1] == w || where[2] == w || where[3] == w)
#define stealable(w)	(where[0] == w || where[2] == w || where[3] == w)
#define all_ran		(where[0] == RAN && where[1] == RAN && where[2] == RAN && where[3] == RAN)

inline take_lock(w)
{
	atomic { !lock[w] -> lock[w] = true }
}

/* One that rests could help; where there are two workers, it is the other. */
inline kick_any(by)
{
	if
	:: nr_idle > 0 && rests[1 - by] && !kicked[1 - by] ->
		take_lock(1 - by);
		if
		:: rests[1 - by] -> kicked[1 - by] = true
		:: else
		fi;
		lock[1 - by] = false
	:: else
	fi
}

/* Worker @by makes @who ready, in the queue of @w. */
inline put(by, w, who)
{
#ifdef M_LOOK_FOR_REST_BEFORE_THE_PUT
	kick = rests[w] && !kicked[w];
#endif
	take_lock(w);
	assert(where[who] == WAITS || where[who] == HAND);
	where[who] = w;
#ifndef M_LOOK_FOR_REST_BEFORE_THE_PUT
	kick = rests[w] && !kicked[w];
#endif
	if
	:: kick -> kicked[w] = true
	:: else
	fi;
	lock[w] = false;
	if
	:: kick -> kick = false
	:: !kick && bound(who)		/* who is found may not run it */
	:: !kick && !bound(who) ->
#ifndef M_KICK_HOME_ONLY
		kick_any(by)
#else
		skip
#endif
	fi
}

/* Worker @me runs @t, which it has. */
inline run_thread(me, t)
{
	assert(where[t] == HAND && (!bound(t) || me == 1));
	if
	:: t == 0 ->
		put(me, me, 2);
		where[2] == RAN;
		put(me, 1, 1)
	:: else
	fi;
	where[t] = RAN
}

/* The first of its own queue; THREADS: there is none. */
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

/* Half of what there is for others, rounded up. */
inline count_half(v)
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
		od;
		n = (n + 1) / 2
	}
}

/* Half of what @v has: the first of them to run, the others into the own queue. */
inline steal(me, v, t)
{
#ifdef M_COUNT_BEFORE_THE_LOCK
	count_half(v);
	take_lock(v);
#else
	take_lock(v);
	count_half(v);
#endif
	d_step {
		t = 0;
		mine = 0;
		do
		:: n > 0 ->
			assert(t < THREADS);
			if
			:: where[t] == v && !bound(t) ->
				where[t] = HAND;
				mine = mine | (1 << t);
				n--
			:: else
			fi;
			t++
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

/* Has @v nothing to wait for? */
inline look_at(v)
{
	take_lock(v);
	nothing = nothing && rests[v] && !kicked[v] && !ready(v);
	lock[v] = false;
	nothing = nothing && !(v == 1 && in_ring)
}

proctype worker(bit me)
{
	byte t, n, mine, before;
	bool kick, nothing;

looks:
	if
	:: me == 1 && in_ring && ended -> in_ring = false; put(me, me, 3); goto looks
	:: ready(me) -> first_of(me, t)
	:: !ready(me) && stealable(1 - me) -> steal(me, 1 - me, t)
	:: else -> goto lies_down
	fi;
	if
	:: t < THREADS -> run_thread(me, t)
	:: else
	fi;
	goto looks;

lies_down:
	take_lock(me);
#ifdef M_REST_THOUGH_ONE_HAS_COME
	rests[me] = true;
#else
	rests[me] = !ready(me);
#endif
	kicked[me] = false;
	lock[me] = false;
	if
	:: !rests[me] -> goto looks
	:: else
	fi;
#ifdef M_LOOK_AT_OTHERS_FIRST
	nothing = !stealable(1 - me);
	nr_idle++;
#else
	nr_idle++;
	nothing = !stealable(1 - me);
#endif
	if
	:: !nothing -> goto rises_now
	:: else
	fi;
	before = rises;
	nothing = true;
	if
	:: nr_idle < WORKERS -> nothing = false
	:: else -> look_at(0); look_at(1)
	fi;
#ifndef M_OVER_WHILE_ONE_RISES
	nothing = nothing && rises == before;
#endif
	if
	:: nothing -> over = true; assert(all_ran)
	:: else
	fi;
	if
	:: over -> goto done
	:: kicked[me]
	:: me == 1 && in_ring && ended
	fi;
#ifdef M_TAKE_FROM_THE_RING_AT_REST
	if
	:: me == 1 && in_ring && ended -> in_ring = false; put(me, me, 3)
	:: else
	fi;
#endif
rises_now:
	take_lock(me);
	rests[me] = false;
	lock[me] = false;
	rises++;
	nr_idle--;
	goto looks;
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
		where[2] = WAITS;
		where[3] = WAITS;
		run kernel();
		run worker(0);
		run worker(1)
	}
	_nr_pr == 1;
	assert(all_ran)
}
