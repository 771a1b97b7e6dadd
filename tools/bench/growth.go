// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT

// The peer of growth.c: a fresh goroutine, a recursion, its end. Goroutines begin
// with 2 KiB.
// usage: growth bytes rounds
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"
	"unsafe"
)

// So a call takes 256 bytes, as in growth.c.
const array = 224

var sink int
var measuring bool
var at uintptr

// A function of its own, lest the compiler see what becomes of the array.
//
//go:noinline
func use(here *[array]byte, n int) {
	here[n%array] = 1
}

//go:noinline
func bottom() {
	var here byte
	if measuring {
		at = uintptr(unsafe.Pointer(&here))
	}
}

//go:noinline
func down(n int) int {
	var here [array]byte
	use(&here, n)
	if n > 1 {
		n = down(n-1) + 1
	} else {
		bottom()
	}
	return n + int(here[0])
}

// The second time the stack is large enough, and stays where it is.
func measure(frame chan int) {
	down(200)
	measuring = true
	bottom()
	top := at
	down(100)
	measuring = false
	frame <- int(top-at) / 100
}

func main() {
	runtime.GOMAXPROCS(1)
	bytes, _ := strconv.Atoi(os.Args[1])
	rounds, _ := strconv.Atoi(os.Args[2])
	frames := make(chan int)
	go measure(frames)
	frame := <-frames
	fmt.Println(frame)
	calls := bytes / frame
	done := make(chan bool)
	for i := 0; i < rounds; i++ {
		t0 := time.Now()
		go func() {
			sink += down(calls)
			done <- true
		}()
		<-done
		fmt.Println(time.Since(t0).Nanoseconds())
	}
}
