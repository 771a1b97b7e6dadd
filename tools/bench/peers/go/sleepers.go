// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT

package main

import (
	"sync"
	"time"
)

// As in bench.h.
func sleepTime(thread, turn int) time.Duration {
	return time.Duration(50+(thread*7919+turn*31)%100) * time.Millisecond
}

func sleepers(threads, sleeps int) {
	var all sync.WaitGroup
	all.Add(threads)
	for i := 0; i < threads; i++ {
		i := i
		go func() {
			for j := 0; j < sleeps; j++ {
				time.Sleep(sleepTime(i, j))
			}
			all.Done()
		}()
	}
	t0 := cpu()
	all.Wait()
	figure("ns", (cpu()-t0)/float64(threads*sleeps))
}
