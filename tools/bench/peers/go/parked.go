// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT

package main

import (
	"runtime/debug"
	"time"
)

var woken int
var never = make(chan bool)

//go:noinline
func waits(up *int) int {
	here := *up
	<-never
	return here
}

func waiter(arg int) {
	local := arg
	woken += waits(&local)
}

func parked(threads, seconds int) {
	debug.SetGCPercent(-1)
	before := memory()
	for i := 0; i < threads; i++ {
		go waiter(1)
	}
	time.Sleep(200 * time.Millisecond)
	figure("once", float64(memory()-before)/float64(threads))
	time.Sleep(time.Duration(seconds) * time.Second)
	figure("idle", float64(memory()-before)/float64(threads))
}
