// SPDX-License-Identifier: MIT

package main

import "fmt"

const factor = 3

// workOn is work_on() of c/harness.h.
func workOn(v uint64, steps int) {
	start := v
	for ; steps > 0; steps-- {
		v = (v ^ v>>29) * 0x9e3779b97f4a7c15
	}
	if v == 0 && start != 0 {
		die("never: each step is one to one, and 0 stays 0")
	}
}

// runPipeline: a goroutine counts, workers multiply, one checks.  Each worker has two
// channels, dealt to and collected from in turn: so it stays in order.
func runPipeline() {
	var counts [1]counter
	var made uint64
	first, second := make([]chan uint64, c.workers), make([]chan uint64, c.workers)
	for i := range first {
		first[i], second[i] = make(chan uint64, c.cap), make(chan uint64, c.cap)
		go stage(first[i], second[i])
	}
	if c.workers == 1 {
		go send8(first[0], &made)
	} else {
		go deal(first, &made)
	}
	taken := make(chan uint64)
	go func() {
		place(1)
		n := uint64(0)
		for i := 0; ; i++ {
			if i == len(second) {
				i = 0
			}
			v, ok := <-second[i]
			if !ok { // the first that has ended is the one after the last item
				break
			}
			check(v, n*factor)
			n++
			counts[0].inc()
		}
		taken <- n
	}()
	r := rate(counts[:])
	check(<-taken, made)
	fmt.Printf("%.6g items/s\n", r)
}

func deal(to []chan uint64, made *uint64) {
	place(0)
	n := uint64(0)
	for i := 0; !stop.Load(); i++ {
		if i == len(to) {
			i = 0
		}
		to[i] <- n
		n++
	}
	*made = n
	for _, ch := range to {
		close(ch)
	}
}

func stage(from <-chan uint64, to chan<- uint64) {
	place(1)
	for v := range from {
		if c.steps > 0 {
			workOn(v, c.steps)
		}
		to <- v * factor
	}
	close(to)
}
