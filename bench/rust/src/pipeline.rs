// SPDX-License-Identifier: MIT

//! A thread counts, workers multiply, one checks.  Each worker has two channels, dealt to
//! and collected from in turn: so it stays in order.

use crate::chan::{Lib, Rx, Tx};
use crate::harness::*;
use crate::work::sender;
use std::thread;

const FACTOR: u64 = 3;

fn deal(c: Conf, to: Vec<impl Tx<u64>>) -> u64 {
    place(&c, 0);
    let (mut n, mut i) = (0, 0);
    while !stopped() {
        to[i].send(n);
        n += 1;
        i = if i + 1 < to.len() { i + 1 } else { 0 };
    }
    n
}

fn stage(c: Conf, from: impl Rx<u64>, to: impl Tx<u64>) {
    place(&c, 1);
    while let Some(v) = from.recv() {
        if c.steps > 0 {
            work_on(v, c.steps);
        }
        to.send(v * FACTOR);
    }
}

fn collect(c: Conf, from: Vec<impl Rx<u64>>, count: &Counter) -> u64 {
    place(&c, 1);
    let (mut n, mut i) = (0, 0);
    // The first that has ended is the one after the last item.
    while let Some(v) = from[i].recv() {
        check(v, n * FACTOR);
        n += 1;
        count.inc();
        i = if i + 1 < from.len() { i + 1 } else { 0 };
    }
    n
}

pub fn run<L: Lib<u64>>(c: &Conf) {
    let count: &'static [Counter] = Box::leak(Box::new([Counter::default()]));
    let (mut first, mut last) = (Vec::new(), Vec::new());
    for _ in 0..c.workers {
        let (tx, from) = L::open(c.cap);
        let (to, rx) = L::open(c.cap);
        let c = c.clone();
        thread::spawn(move || stage(c, from, to));
        first.push(tx);
        last.push(rx);
    }
    let (c1, c2) = (c.clone(), c.clone());
    let sink = thread::spawn(move || collect(c2, last, &count[0]));
    let source = if c.workers == 1 {
        let tx = first.remove(0);
        thread::spawn(move || sender::<u64>(c1, tx))
    } else {
        thread::spawn(move || deal(c1, first))
    };
    let rate = rate(c, count);
    check(sink.join().unwrap(), source.join().unwrap());
    println!("{:.0} items/s", rate);
}
