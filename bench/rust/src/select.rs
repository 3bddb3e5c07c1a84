// SPDX-License-Identifier: MIT

//! crossbeam's select: kept from one wait to the next, rebuilt when an arm goes.

use crate::harness::*;
use crate::work::sender;
use crossbeam_channel::{bounded, Receiver, Select, Sender};
use std::thread;

fn collect(rx: &[Receiver<u64>], count: &Counter) -> Vec<u64> {
    let mut got = vec![0; rx.len()];
    let mut sel = Select::new();
    let mut open = rx.len();
    for r in rx {
        sel.recv(r);
    }
    while open > 0 {
        let op = sel.select();
        let i = op.index();
        match op.recv(&rx[i]) {
            Ok(v) => {
                check(v, got[i]);
                got[i] += 1;
                count.inc();
            }
            Err(_) => {
                sel.remove(i);
                open -= 1;
            }
        }
    }
    got
}

/// One thread receives from `senders` channels with a sender each.
pub fn run_rx(c: &Conf) {
    let count: &'static [Counter] = Box::leak(Box::new([Counter::default()]));
    let (txs, rxs): (Vec<_>, Vec<_>) = (0..c.senders).map(|_| bounded(c.cap)).unzip();
    let c2 = c.clone();
    let collector = thread::spawn(move || {
        place(&c2, 1);
        collect(&rxs, &count[0])
    });
    let senders: Vec<_> = txs
        .into_iter()
        .map(|tx| {
            let c = c.clone();
            thread::spawn(move || sender::<u64>(c, tx))
        })
        .collect();
    let rate = rate(c, count);
    for (sender, got) in senders.into_iter().zip(collector.join().unwrap()) {
        check(got, sender.join().unwrap());
    }
    println!("{:.0} msg/s", rate);
}

struct Side {
    tx: Vec<Sender<u64>>,
    rx: Vec<Receiver<u64>>,
}

/// Arms 0 and 1 send, 2 and 3 receive.  What was sent and what was got, per channel.
fn both(c: Conf, side: Side, role: usize, count: &Counter) -> ([u64; 2], [u64; 2]) {
    place(&c, role);
    let (mut sent, mut got) = ([0u64; 2], [0u64; 2]);
    let Side { tx, rx } = side;
    {
        let mut sel = Select::new();
        tx.iter().for_each(|t| drop(sel.send(t)));
        rx.iter().for_each(|r| drop(sel.recv(r)));
        while !stopped() {
            let op = sel.select();
            match op.index() {
                i @ 0..=1 => match op.send(&tx[i], sent[i]) {
                    Ok(()) => sent[i] += 1,
                    Err(_) => die("the other side took its receiver away"),
                },
                arm => match op.recv(&rx[arm - 2]) {
                    Ok(v) => {
                        check(v, got[arm - 2]);
                        got[arm - 2] += 1;
                        count.inc();
                    }
                    Err(_) => break,
                },
            }
        }
    }
    drop(tx);
    for (i, r) in rx.iter().enumerate() {
        while let Ok(v) = r.recv() {
            check(v, got[i]);
            got[i] += 1;
        }
    }
    (sent, got)
}

/// Two threads, each selects over 2 sends and 2 receives to and from the other.
pub fn run_both(c: &Conf) {
    let counts: &'static [Counter] = Box::leak(Box::new([Counter::default(), Counter::default()]));
    let (tx_a, rx_b): (Vec<_>, Vec<_>) = (0..2).map(|_| bounded(c.cap)).unzip();
    let (tx_b, rx_a): (Vec<_>, Vec<_>) = (0..2).map(|_| bounded(c.cap)).unzip();
    let (c1, c2) = (c.clone(), c.clone());
    let a = Side { tx: tx_a, rx: rx_a };
    let b = Side { tx: tx_b, rx: rx_b };
    let a = thread::spawn(move || both(c1, a, 0, &counts[0]));
    let b = thread::spawn(move || both(c2, b, 1, &counts[1]));
    let rate = rate(c, counts);
    let (a, b) = (a.join().unwrap(), b.join().unwrap());
    for i in 0..2 {
        check(b.1[i], a.0[i]);
        check(a.1[i], b.0[i]);
    }
    println!("{:.0} msg/s", rate);
}
