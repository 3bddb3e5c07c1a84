// SPDX-License-Identifier: MIT

//! The workloads; as c/work.h and c/work_pair.h.

use crate::chan::{Lib, Rx, Tx};
use crate::harness::*;
use crate::pipeline;
use std::thread;
use std::time::{Duration, Instant};

pub trait Item: Send + Copy + 'static {
    fn new(v: u64) -> Self;
    fn check(&self, v: u64);
}

impl Item for u64 {
    #[inline(always)]
    fn new(v: u64) -> Self {
        v
    }
    #[inline(always)]
    fn check(&self, v: u64) {
        check(*self, v);
    }
}

impl Item for [u64; 8] {
    #[inline(always)]
    fn new(v: u64) -> Self {
        [v, 0, 0, 0, 0, 0, 0, !v]
    }
    #[inline(always)]
    fn check(&self, v: u64) {
        check(self[0], v);
        check(self[7], !v);
    }
}

pub fn run<L: Lib<u64> + Lib<[u64; 8]>>(c: &Conf) {
    match c.workload.as_str() {
        "spsc" if c.size == 8 => spsc::<u64, L>(c),
        "spsc" => spsc::<[u64; 8], L>(c),
        "mpmc" => mpmc::<L>(c),
        "rtt" => rtt::<L>(c, Duration::ZERO),
        "rtt-sleep" => rtt::<L>(c, Duration::from_micros(c.gap)),
        "churn" => churn::<L>(c),
        "bytes" => bytes::<L>(c),
        "idle" => idle::<L>(c),
        "pipeline" | "work" => pipeline::run::<L>(c),
        _ => die("no such workload"),
    }
}

// ---- one sender, one receiver ------------------------------------------------

pub fn sender<T: Item>(c: Conf, tx: impl Tx<T>) -> u64 {
    place(&c, 0);
    let mut n = 0;
    while !stopped() {
        tx.send(T::new(n));
        n += 1;
    }
    n
}

fn spsc<T: Item, L: Lib<T>>(c: &Conf) {
    let (tx, rx) = L::open(c.cap);
    let (c1, c2) = (c.clone(), c.clone());
    let count: &'static [Counter] = Box::leak(Box::new([Counter::default()]));
    let receiver = thread::spawn(move || {
        place(&c2, 1);
        let mut n = 0;
        while let Some(item) = rx.recv() {
            item.check(n);
            n += 1;
            count[0].inc();
        }
        n
    });
    let sender = thread::spawn(move || sender(c1, tx));
    let rate = rate(c, count);
    check(receiver.join().unwrap(), sender.join().unwrap());
    println!("{:.0} msg/s", rate);
}

// ---- many senders, many receivers --------------------------------------------

fn mpmc_send(c: Conf, id: u64, tx: impl Tx<u64>) -> (u64, u64) {
    place(&c, 0);
    let (mut n, mut sum) = (0u64, 0u64);
    while !stopped() {
        let v = id << 48 | n;
        tx.send(v);
        n += 1;
        sum = sum.wrapping_add(v);
    }
    (n, sum)
}

fn mpmc_recv(c: Conf, rx: impl Rx<u64>, count: &Counter) -> (u64, u64) {
    place(&c, 1);
    let (mut n, mut sum) = (0u64, 0u64);
    let mut next = vec![0u64; c.senders];
    while let Some(v) = rx.recv() {
        let (from, number) = ((v >> 48) as usize, v & ((1 << 48) - 1));
        if number < next[from] {
            die("an item is out of order");
        }
        next[from] = number + 1;
        n += 1;
        sum = sum.wrapping_add(v);
        count.inc();
    }
    (n, sum)
}

fn total(threads: Vec<thread::JoinHandle<(u64, u64)>>) -> (u64, u64) {
    threads.into_iter().map(|t| t.join().unwrap()).fold((0, 0), |a, b| {
        (a.0 + b.0, a.1.wrapping_add(b.1))
    })
}

fn mpmc<L: Lib<u64>>(c: &Conf) {
    let (tx, rx) = L::open(c.cap);
    let counts: Vec<Counter> = (0..c.receivers).map(|_| Counter::default()).collect();
    let counts: &'static [Counter] = Box::leak(counts.into_boxed_slice());
    let mut receivers = Vec::new();
    let mut senders = Vec::new();
    for count in counts {
        let (c, rx) = (c.clone(), rx.dup());
        receivers.push(thread::spawn(move || mpmc_recv(c, rx, count)));
    }
    for id in 0..c.senders {
        let (c, tx) = (c.clone(), tx.dup());
        senders.push(thread::spawn(move || mpmc_send(c, id as u64, tx)));
    }
    drop((tx, rx));
    let rate = rate(c, counts);
    let (sent, got) = (total(senders), total(receivers));
    check(got.0, sent.0);
    check(got.1, sent.1);
    println!("{:.0} msg/s", rate);
}

// ---- round trips -------------------------------------------------------------

fn spin_until(t: Instant) {
    while Instant::now() < t {
        std::hint::spin_loop();
    }
}

fn echo(c: Conf, rx: impl Rx<u64>, tx: impl Tx<u64>, gap: Duration) -> (u64, i64) {
    place(&c, 1);
    let slept = thread_sleeps();
    let mut n = 0;
    while let Some(v) = rx.recv() {
        check(v, n);
        n += 1;
        if !gap.is_zero() {
            spin_until(Instant::now() + gap);
        }
        tx.send(v);
    }
    (n, thread_sleeps() - slept)
}

fn rtt<L: Lib<u64>>(c: &Conf, gap: Duration) {
    let (tx, there) = L::open(c.cap);
    let (back, rx) = L::open(c.cap);
    let c2 = c.clone();
    let other = thread::spawn(move || echo(c2, there, back, gap));
    place(c, 0);
    let group: u32 = if gap.is_zero() { 8 } else { 1 };
    let mut trips: Vec<u32> = Vec::with_capacity(1 << 18);
    let (mut n, mut measured, mut sum) = (0u64, 0u64, 0u64);
    let slept = thread_sleeps();
    let from = Instant::now() + WARM_UP;
    let to = from + Duration::from_secs_f64(c.secs);
    loop {
        if !gap.is_zero() {
            spin_until(Instant::now() + gap);
        }
        let t0 = Instant::now();
        for _ in 0..group {
            tx.send(n);
            check(rx.recv().unwrap_or_else(|| die("the echo has ended")), n);
            n += 1;
        }
        let t1 = Instant::now();
        if t0 >= from {
            let ns = ((t1 - t0).saturating_sub(gap * group)).as_nanos() as u64;
            if trips.len() < trips.capacity() {
                trips.push((ns / group as u64) as u32);
            }
            sum += ns;
            measured += group as u64;
        }
        if t1 >= to && measured > 0 {
            break;
        }
    }
    let slept = thread_sleeps() - slept;
    drop(tx);
    let (echoed, other_slept) = other.join().unwrap();
    check(echoed, n);
    print_trips(trips, sum as f64 / measured as f64, (slept + other_slept) as f64 / n as f64);
}

// ---- making and dropping, memory, idle ---------------------------------------

#[inline(never)]
fn churn_once<L: Lib<u64>>(c: &Conf, n: u64) {
    for _ in 0..c.dirs {
        let (tx, rx) = L::open(c.cap);
        tx.send(n);
        check(rx.recv().unwrap_or(!n), n);
    }
}

fn churn<L: Lib<u64>>(c: &Conf) {
    place(c, 0);
    let from = Instant::now() + WARM_UP;
    let mut start: Option<Instant> = None;
    let mut n = 0;
    loop {
        for i in 0..16 {
            churn_once::<L>(c, i);
        }
        let t = Instant::now();
        match start {
            Some(t0) => {
                n += 16;
                let secs = (t - t0).as_secs_f64();
                if secs >= c.secs {
                    println!("{:.0} pairs/s", n as f64 / secs);
                    return;
                }
            }
            None if t >= from => start = Some(t),
            None => {}
        }
    }
}

fn bytes<L: Lib<u64>>(c: &Conf) {
    let n = c.pairs * c.dirs;
    let mut all: Vec<Option<(L::Tx, L::Rx)>> = Vec::with_capacity(n);
    unsafe { std::ptr::write_bytes(all.as_mut_ptr() as *mut u8, 1, n * slot_size(&all)) };
    let before = resident();
    for _ in 0..n {
        all.push(Some(L::open(c.cap)));
    }
    let b = (resident() - before) / c.pairs as f64;
    println!("{:.1} B/pair resident={:.1} n={}", b, b, c.pairs);
    std::process::exit(0);
}

fn slot_size<T>(_: &[T]) -> usize {
    std::mem::size_of::<T>()
}

fn idle<L: Lib<u64>>(c: &Conf) {
    let (full, _rx) = L::open(c.cap);
    let (_tx, empty) = L::open(c.cap);
    thread::spawn(move || {
        empty.recv();
        die("an idle receiver got something");
    });
    thread::spawn(move || loop {
        full.send(0);
    });
    thread::sleep(Duration::from_millis(200));
    let (before, t0) = (others(), Instant::now());
    thread::sleep(Duration::from_secs_f64(c.secs));
    let now = others();
    let ns = (now.0 - before.0).max(0.0) / t0.elapsed().as_secs_f64();
    println!("{:.0} ns/s sleeps={}", ns, now.1 - before.1);
    std::process::exit(0);
}
