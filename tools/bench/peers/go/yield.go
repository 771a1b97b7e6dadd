// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT

package main

import "runtime"

// Goroutines do not take turns as strictly as others' threads: all yields are counted.
var yielded int

//go:noinline
func yields(frames int) int {
	if frames > 1 {
		return yields(frames-1) + 1
	}
	yielded++
	runtime.Gosched()
	return 0
}

func yield(threads, frames, all int) {
	turns := all/threads + 1
	done := make(chan bool)
	for i := 0; i < threads; i++ {
		first := i == 0
		go func() {
			for j := 0; j < 3; j++ {
				yields(frames)
			}
			var t0 float64
			if first {
				t0 = cpu()
			}
			before := yielded
			for j := 0; j < turns; j++ {
				yields(frames)
			}
			if first {
				figure("ns", (cpu()-t0)/float64(yielded-before))
			}
			done <- true
		}()
	}
	for i := 0; i < threads; i++ {
		<-done
	}
}
