// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"
)

func check(got, want uint64) {
	if got != want {
		die("got item %d in place of %d", got, want)
	}
}

// ---- one sender, one receiver ----------------------------------------------

func send8(ch chan<- uint64, sent *uint64) {
	place(0)
	n := uint64(0)
	for !stop.Load() {
		ch <- n
		n++
	}
	*sent = n
	close(ch)
}

func recv8(ch <-chan uint64, count *counter, got *uint64) {
	place(1)
	n := uint64(0)
	for v := range ch {
		check(v, n)
		n++
		count.inc()
	}
	*got = n
}

func send64(ch chan<- [8]uint64, sent *uint64) {
	place(0)
	var item [8]uint64
	n := uint64(0)
	for !stop.Load() {
		item[0], item[7] = n, ^n
		ch <- item
		n++
	}
	*sent = n
	close(ch)
}

func recv64(ch <-chan [8]uint64, count *counter, got *uint64) {
	place(1)
	n := uint64(0)
	for item := range ch {
		check(item[0], n)
		check(item[7], ^n)
		n++
		count.inc()
	}
	*got = n
}

func runSpsc() {
	var counts [1]counter
	var sent, got uint64
	done := make(chan bool)
	if c.size == 8 {
		ch := make(chan uint64, c.cap)
		go send8(ch, &sent)
		go func() { recv8(ch, &counts[0], &got); done <- true }()
	} else {
		ch := make(chan [8]uint64, c.cap)
		go send64(ch, &sent)
		go func() { recv64(ch, &counts[0], &got); done <- true }()
	}
	r := rate(counts[:])
	<-done
	check(got, sent)
	fmt.Printf("%.6g msg/s\n", r)
}

// ---- many senders, many receivers ------------------------------------------

type tally struct{ moved, sum uint64 }

func mpmcSend(ch chan<- uint64, id int, done chan<- tally) {
	place(0)
	var t tally
	for !stop.Load() {
		v := uint64(id)<<48 | t.moved
		ch <- v
		t.moved++
		t.sum += v
	}
	done <- t
}

func mpmcRecv(ch <-chan uint64, count *counter, done chan<- tally) {
	place(1)
	var t tally
	next := make([]uint64, c.senders)
	for v := range ch {
		from, number := v>>48, v&(1<<48-1)
		if number < next[from] {
			die("item %d of sender %d is out of order", number, from)
		}
		next[from] = number + 1
		t.moved++
		t.sum += v
		count.inc()
	}
	done <- t
}

func runMpmc() {
	ch := make(chan uint64, c.cap)
	counts := make([]counter, c.receivers)
	sent, got := make(chan tally), make(chan tally)
	for i := 0; i < c.receivers; i++ {
		go mpmcRecv(ch, &counts[i], got)
	}
	for i := 0; i < c.senders; i++ {
		go mpmcSend(ch, i, sent)
	}
	r := rate(counts)
	var a, b tally
	for i := 0; i < c.senders; i++ {
		t := <-sent
		a.moved, a.sum = a.moved+t.moved, a.sum+t.sum
	}
	close(ch)
	for i := 0; i < c.receivers; i++ {
		t := <-got
		b.moved, b.sum = b.moved+t.moved, b.sum+t.sum
	}
	check(b.moved, a.moved)
	check(b.sum, a.sum)
	fmt.Printf("%.6g msg/s\n", r)
}

// ---- round trips -----------------------------------------------------------

func spinUntil(t time.Time) {
	for time.Now().Before(t) {
	}
}

func runRtt(gap time.Duration) {
	there, back := make(chan uint64, c.cap), make(chan uint64, c.cap)
	done := make(chan uint64)
	go func() {
		place(1)
		n := uint64(0)
		for v := range there {
			check(v, n)
			n++
			if gap > 0 {
				spinUntil(time.Now().Add(gap))
			}
			back <- v
		}
		done <- n
	}()
	place(0)
	group := 8
	if gap > 0 {
		group = 1
	}
	var n, measured uint64
	var total time.Duration
	trips := make([]uint32, 0, 1<<18)
	slept := sleeps()
	from := time.Now().Add(warmUp)
	to := from.Add(time.Duration(c.secs * 1e9))
	for {
		if gap > 0 {
			spinUntil(time.Now().Add(gap))
		}
		t0 := time.Now()
		for i := 0; i < group; i++ {
			there <- n
			check(<-back, n)
			n++
		}
		t1 := time.Now()
		if !t0.Before(from) {
			d := t1.Sub(t0) - gap*time.Duration(group)
			if len(trips) < cap(trips) {
				trips = append(trips, uint32(d/time.Duration(group)))
			}
			total += d
			measured += uint64(group)
		}
		if !t1.Before(to) && measured > 0 {
			break
		}
	}
	slept = sleeps() - slept
	close(there)
	check(<-done, n)
	printTrips(trips, float64(total)/float64(measured), float64(slept)/float64(n))
}

// ---- making and dropping, memory, idle -------------------------------------

//go:noinline
func churnOnce(n uint64) {
	for i := 0; i < c.dirs; i++ {
		ch := make(chan uint64, c.cap)
		ch <- n
		check(<-ch, n)
		close(ch)
	}
}

func runChurn() {
	place(0)
	var start, t time.Time
	n := 0
	for from := time.Now().Add(warmUp); ; {
		for i := 0; i < 16; i++ {
			churnOnce(uint64(i))
		}
		t = time.Now()
		if !start.IsZero() {
			n += 16
			if t.Sub(start).Seconds() >= c.secs {
				break
			}
		} else if t.After(from) {
			start = t
		}
	}
	fmt.Printf("%.6g pairs/s\n", float64(n)/t.Sub(start).Seconds())
}

func resident() float64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		die("%v", err)
	}
	var size, pages float64
	fmt.Fscan(strings.NewReader(string(text)), &size, &pages)
	return pages * float64(os.Getpagesize())
}

func runBytes() {
	all := make([]chan uint64, c.pairs*c.dirs)
	runtime.GC()
	for i := range all {
		all[i] = nil // so that the pages are there
	}
	before := resident()
	for i := range all {
		all[i] = make(chan uint64, c.cap)
	}
	b := (resident() - before) / float64(c.pairs)
	runtime.KeepAlive(all)
	fmt.Printf("%.6g B/pair resident=%.6g n=%d\n", b, b, c.pairs)
}

func cpu() float64 {
	var ru syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &ru)
	return float64(ru.Utime.Nano() + ru.Stime.Nano())
}

func runIdle() {
	full, empty := make(chan uint64, c.cap), make(chan uint64, c.cap)
	go func() { <-empty; die("an idle receiver got something") }()
	go func() {
		for {
			full <- 0
		}
	}()
	time.Sleep(200 * time.Millisecond)
	slept, used, t0 := sleeps(), cpu(), time.Now()
	time.Sleep(time.Duration(c.secs * 1e9))
	used, slept = cpu()-used, sleeps()-slept
	fmt.Printf("%.6g ns/s sleeps=%d\n", used/time.Since(t0).Seconds(), slept)
}
