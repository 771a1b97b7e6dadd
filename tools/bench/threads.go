// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT

// The peer of threads.c: goroutines that are parked, and short ones.
// usage: threads number
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

const spawns = 200000

var woken int
var done = make(chan bool)

func memory() (sum int) {
	f, _ := os.Open("/proc/self/status")
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		w := strings.Fields(s.Text())
		if w[0] == "VmRSS:" || w[0] == "VmPTE:" {
			n, _ := strconv.Atoi(w[1])
			sum += n << 10
		}
	}
	return
}

//go:noinline
func waits(up *int) int {
	here := *up
	<-done
	return here
}

func parked(arg int) {
	local := arg
	woken += waits(&local)
}

func main() {
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(-1)
	number, _ := strconv.Atoi(os.Args[1])
	end := make(chan bool)
	t0 := time.Now()
	for i := 0; i < spawns; i++ {
		go func() { end <- true }()
		<-end
	}
	each := float64(time.Since(t0).Nanoseconds()) / spawns
	before := memory()
	for i := 0; i < number; i++ {
		go parked(1)
	}
	runtime.Gosched()
	time.Sleep(200 * time.Millisecond)
	fmt.Printf("%d %.1f\n", (memory()-before)/number, each)
}
