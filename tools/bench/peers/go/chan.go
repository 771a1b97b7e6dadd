// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT

package main

import (
	"runtime"
	"time"
)

func message(times, capacity, workers int) {
	runtime.GOMAXPROCS(workers)
	ch := make(chan int, capacity)
	go func() {
		for i := 0; i < times; i++ {
			ch <- i
		}
	}()
	c0, t0 := cpu(), time.Now()
	for i := 0; i < times; i++ {
		<-ch
	}
	figure("ns", (cpu()-c0)/float64(times))
	figure("wall", since(t0)/float64(times))
}

func sieve(primes, workers int) {
	runtime.GOMAXPROCS(workers)
	ch := make(chan int)
	c0, t0 := cpu(), time.Now()
	go func(ch chan int) {
		for n := 2; ; n++ {
			ch <- n
		}
	}(ch)
	for i := 0; i < primes; i++ {
		in, out := ch, make(chan int)
		prime := <-in
		go func() {
			for {
				if n := <-in; n%prime != 0 {
					out <- n
				}
			}
		}()
		ch = out
	}
	figure("ns", cpu()-c0)
	figure("wall", since(t0))
}
