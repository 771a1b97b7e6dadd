// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT

package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"sync/atomic"
	"time"
)

type loop struct {
	rounds, sum uint64
	_           [48]byte
}

// As many turns as green's compute() makes, of the same multiplication.
//
//go:noinline
func compute(turns int) uint64 {
	x := uint64(turns)
	for ; turns > 0; turns-- {
		x = x*6364136223846793005 + 1
	}
	return x
}

// How long the workers waited for a processor, and own, what is left of a time without
// that, as in ../../green/work.c.
func waited(workers int) (ns int64) {
	type counted struct{ ran, waited int64 }
	var all []counted
	files, _ := filepath.Glob("/proc/self/task/*/schedstat")
	for _, name := range files {
		var c counted
		text, _ := os.ReadFile(name)
		fmt.Sscan(string(text), &c.ran, &c.waited)
		all = append(all, c)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].ran > all[j].ran })
	for i := 0; i < workers && i < len(all); i++ {
		ns += all[i].waited
	}
	return
}

func own(wall, waited float64) float64 {
	return math.Max(wall-waited, wall/10)
}

func work(workers, threads, turns, ms int) {
	var over int32
	runtime.GOMAXPROCS(workers)
	loops := make([]loop, threads)
	before := waited(workers)
	t0 := time.Now()
	for i := range loops {
		l := &loops[i]
		go func() {
			for atomic.LoadInt32(&over) == 0 {
				l.sum += compute(turns)
				runtime.Gosched()
				l.rounds++
			}
		}()
	}
	time.Sleep(time.Duration(ms) * time.Millisecond)
	atomic.StoreInt32(&over, 1)
	all, least, most := uint64(0), loops[0].rounds, loops[0].rounds
	ns := own(since(t0), float64(waited(workers)-before)/float64(workers))
	for i := range loops {
		n := loops[i].rounds
		all += n
		if n < least {
			least = n
		}
		if n > most {
			most = n
		}
	}
	figure("ns", ns/float64(all))
	figure("fair", float64(least)/float64(most))
}
