// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT

package main

import (
	"fmt"
	"os"
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

func growth(bytes, rounds int) {
	frames := make(chan int)
	go measure(frames)
	if frame := <-frames; frame != 256 {
		fmt.Fprintf(os.Stderr, "go: a call takes %d bytes, not 256\n", frame)
		os.Exit(1)
	}
	done := make(chan bool)
	for i := 0; i < rounds; i++ {
		t0 := time.Now()
		go func() {
			sink += down(bytes / 256)
			done <- true
		}()
		<-done
		name := "ns"
		if i == 0 {
			name = "first"
		}
		figure(name, since(t0))
	}
}
