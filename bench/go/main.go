// SPDX-License-Identifier: MIT

// Command peer-go is the Go peer: main.go is the harness (see c/harness.h for the
// protocol), work.go the workloads.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

const warmUp = 20 * time.Millisecond

type conf struct {
	workload, place                                 string
	secs                                            float64
	size, cap, senders, receivers, gap, dirs, pairs int
	workers, steps                                  int
}

var (
	c       conf
	stop    atomic.Bool
	allowed [16]uint64 // CPUs of the process when it started
)

// counter is written by one goroutine and read by the window.
type counter struct {
	n atomic.Uint64
	_ [120]byte
}

func (c *counter) inc() { c.n.Store(c.n.Load() + 1) }

func die(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "peer-go: "+format+"\n", args...)
	os.Exit(1)
}

func parse(args []string) {
	if len(args) < 1 {
		die("usage: peer-go WORKLOAD [key=value...]")
	}
	c = conf{workload: args[0], place: "free", secs: 0.15, size: 8, cap: 1024, senders: 1,
		receivers: 1, gap: 50, dirs: 1, pairs: 20000, workers: 1}
	var batch int
	var api string
	ints := map[string]*int{"size": &c.size, "cap": &c.cap, "senders": &c.senders,
		"receivers": &c.receivers, "gap": &c.gap, "dirs": &c.dirs, "pairs": &c.pairs,
		"batch": &batch, "workers": &c.workers, "steps": &c.steps}
	texts := map[string]*string{"place": &c.place, "api": &api}
	for _, arg := range args[1:] {
		key, value, _ := strings.Cut(arg, "=")
		var err error
		if p := ints[key]; p != nil {
			*p, err = strconv.Atoi(value)
		} else if p := texts[key]; p != nil {
			*p = value
		} else if key == "secs" {
			c.secs, err = strconv.ParseFloat(value, 64)
		} else {
			die("%s: unknown key", arg)
		}
		if err != nil {
			die("%s: %v", arg, err)
		}
	}
	affinity(syscall.SYS_SCHED_GETAFFINITY, &allowed)
}

func affinity(call uintptr, set *[16]uint64) {
	_, _, errno := syscall.RawSyscall(call, 0, unsafe.Sizeof(*set),
		uintptr(unsafe.Pointer(set)))
	if errno != 0 {
		die("affinity: %v", errno)
	}
}

// place puts the calling goroutine on a CPU of its own, which needs a thread of its
// own; role 0 sends, 1 receives.
func place(role int) {
	if c.place != "pin" {
		return
	}
	runtime.LockOSThread()
	for cpu := 0; cpu < 64*len(allowed); cpu++ {
		if allowed[cpu/64]&(1<<(cpu%64)) == 0 {
			continue
		}
		if role > 0 {
			role--
			continue
		}
		var one [16]uint64
		one[cpu/64] = 1 << (cpu % 64)
		affinity(syscall.SYS_SCHED_SETAFFINITY, &one)
		return
	}
	die("place=pin needs two CPUs")
}

func sum(counters []counter) (n uint64) {
	for i := range counters {
		n += counters[i].n.Load()
	}
	return
}

// rate is what is counted per second after the warm-up; it sets stop.
func rate(counters []counter) float64 {
	time.Sleep(warmUp)
	t0, n0 := time.Now(), sum(counters)
	time.Sleep(time.Duration(c.secs * 1e9))
	t1, n1 := time.Now(), sum(counters)
	stop.Store(true)
	return float64(n1-n0) / t1.Sub(t0).Seconds()
}

func sleeps() int64 {
	var ru syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &ru)
	return ru.Nvcsw
}

func printTrips(ns []uint32, mean float64, sleeps float64) {
	if len(ns) == 0 {
		die("not one round trip in the window")
	}
	sort.Slice(ns, func(i, j int) bool { return ns[i] < ns[j] })
	fmt.Printf("%d ns mean=%.4g p99=%d sleeps=%.3g n=%d\n", ns[len(ns)/2], mean,
		ns[len(ns)*99/100], sleeps, len(ns))
}

func main() {
	parse(os.Args[1:])
	time.AfterFunc(time.Duration(c.secs+20)*time.Second, func() { die("stuck") })
	run, ok := map[string]func(){
		"spsc": runSpsc, "mpmc": runMpmc, "rtt": func() { runRtt(0) },
		"rtt-sleep": func() { runRtt(time.Duration(c.gap) * time.Microsecond) },
		"churn":     runChurn, "bytes": runBytes, "idle": runIdle,
		"select-rx": runSelectRx, "select-both": runSelectBoth, "pipeline": runPipeline,
		"work": runPipeline,
	}[c.workload]
	if !ok {
		die("%s: no such workload", c.workload)
	}
	run()
}
