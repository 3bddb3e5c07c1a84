// SPDX-License-Identifier: MIT

package main

import "fmt"

// runSelectRx: one goroutine receives from four channels with a sender each.
func runSelectRx() {
	if c.senders != 4 {
		die("select-rx: senders must be 4")
	}
	var chans [4]chan uint64
	var sent, got [4]uint64
	var counts [1]counter
	for i := range chans {
		chans[i] = make(chan uint64, c.cap)
	}
	done := make(chan bool)
	go func() {
		place(1)
		rx := chans
		for open := 4; open > 0; {
			var i int
			var v uint64
			var ok bool
			select {
			case v, ok = <-rx[0]:
				i = 0
			case v, ok = <-rx[1]:
				i = 1
			case v, ok = <-rx[2]:
				i = 2
			case v, ok = <-rx[3]:
				i = 3
			}
			if !ok {
				rx[i] = nil
				open--
				continue
			}
			check(v, got[i])
			got[i]++
			counts[0].inc()
		}
		done <- true
	}()
	for i := range chans {
		go send8(chans[i], &sent[i])
	}
	r := rate(counts[:])
	<-done
	for i := range chans {
		check(got[i], sent[i])
	}
	fmt.Printf("%.6g msg/s\n", r)
}

type side struct {
	_         [128]byte // two threads write here: lines of their own
	tx, rx    [2]chan uint64
	sent, got [2]uint64
	_         [128]byte
}

func (s *side) run(role int, count *counter) {
	place(role)
	tx, rx := s.tx, s.rx
	sending := true
	for open := 2; open > 0; {
		if sending && stop.Load() {
			sending = false
			close(tx[0])
			close(tx[1])
			tx[0], tx[1] = nil, nil
		}
		var i int
		var v uint64
		var ok bool
		select {
		case tx[0] <- s.sent[0]:
			s.sent[0]++
			continue
		case tx[1] <- s.sent[1]:
			s.sent[1]++
			continue
		case v, ok = <-rx[0]:
			i = 0
		case v, ok = <-rx[1]:
			i = 1
		}
		if !ok {
			rx[i] = nil
			open--
			continue
		}
		check(v, s.got[i])
		s.got[i]++
		count.inc()
	}
	if sending {
		close(tx[0])
		close(tx[1])
	}
}

// runSelectBoth: two goroutines, each selects over 2 sends and 2 receives to and from
// the other.
func runSelectBoth() {
	var sides [2]side
	var counts [2]counter
	for i := range sides {
		for k := 0; k < 2; k++ {
			ch := make(chan uint64, c.cap)
			sides[i].tx[k], sides[1-i].rx[k] = ch, ch
		}
	}
	done := make(chan bool)
	for i := range sides {
		go func(i int) { sides[i].run(i, &counts[i]); done <- true }(i)
	}
	r := rate(counts[:])
	<-done
	<-done
	for i := range sides {
		check(sides[1-i].got[0], sides[i].sent[0])
		check(sides[1-i].got[1], sides[i].sent[1])
	}
	fmt.Printf("%.6g msg/s\n", r)
}
