// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT

// Go, doing what ../../green does with the same arguments; goroutines begin with 2 KiB.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

func figure(name string, value float64) {
	fmt.Printf("%s %.5g\n", name, value)
}

func since(t0 time.Time) float64 {
	return float64(time.Since(t0).Nanoseconds())
}

// The CPU time of all threads of the process. The system call is made by itself: in a
// goroutine that the runtime knows to be in one it might be given up for another.
func cpu() float64 {
	const processCPU = 2
	var ts syscall.Timespec
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, processCPU,
		uintptr(unsafe.Pointer(&ts)), 0)
	return float64(ts.Nano())
}

// Bytes that the process has, its page tables included.
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

func main() {
	var arg [5]int
	for i := 2; i < len(os.Args) && i < 7; i++ {
		// What is no number is for those that take words.
		arg[i-2], _ = strconv.Atoi(os.Args[i])
	}
	runtime.GOMAXPROCS(1)
	switch os.Args[1] {
	case "yield":
		yield(arg[0], arg[1], arg[2])
	case "spawn":
		spawn(arg[0])
	case "alive":
		alive(arg[0], arg[1])
	case "work":
		work(arg[0], arg[1], arg[2], arg[4])
	case "message":
		message(arg[0], arg[1], arg[2])
	case "sieve":
		sieve(arg[0], arg[1])
	case "parked":
		parked(arg[0], arg[2])
	case "sleepers":
		sleepers(arg[0], arg[1])
	case "growth":
		growth(arg[0], arg[1])
	case "echo":
		echo(arg[0])
	case "http":
		files(arg[0], os.Args[3])
	}
}
