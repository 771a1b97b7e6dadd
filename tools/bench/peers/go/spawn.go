// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT

package main

import (
	"runtime"
	"sync"
)

func spawn(times int) {
	end := make(chan bool)
	t0 := cpu()
	for i := 0; i < times; i++ {
		go func() { end <- true }()
		<-end
	}
	figure("ns", (cpu()-t0)/float64(times))
}

func alive(threads, bursts int) {
	for i := 0; i < bursts; i++ {
		var all sync.WaitGroup
		t0 := cpu()
		all.Add(threads)
		for j := 0; j < threads; j++ {
			go func() {
				runtime.Gosched()
				all.Done()
			}()
		}
		all.Wait()
		figure("ns", (cpu()-t0)/float64(threads))
	}
}
