// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT

// The peer of growth.c: a fresh goroutine, a recursion, its end.
// usage: growth bytes rounds
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"
)

const frame = 256

var sink int

//go:noinline
func down(n int) int {
	var here [frame - 64]byte
	here[n%len(here)] = 1
	if n > 0 {
		n = down(n-1) + 1
	}
	return n + int(here[0])*0
}

func main() {
	runtime.GOMAXPROCS(1)
	bytes, _ := strconv.Atoi(os.Args[1])
	rounds, _ := strconv.Atoi(os.Args[2])
	done := make(chan bool)
	for i := 0; i < rounds; i++ {
		t0 := time.Now()
		go func() {
			sink += down(bytes / frame)
			done <- true
		}()
		<-done
		fmt.Println(time.Since(t0).Nanoseconds())
	}
}
