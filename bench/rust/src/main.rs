// SPDX-License-Identifier: MIT

//! The Rust peers: peer-rust LIB WORKLOAD [key=value...], LIB is crossbeam, flume or std.

mod chan;
mod harness;
mod pipeline;
mod select;
mod work;

use harness::die;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.len() < 2 {
        die("usage: peer-rust LIB WORKLOAD [key=value...]");
    }
    let c = harness::parse(&args[1..]);
    match (args[0].as_str(), c.workload.as_str()) {
        ("crossbeam", "select-rx") => select::run_rx(&c),
        ("crossbeam", "select-both") => select::run_both(&c),
        ("crossbeam", _) => work::run::<chan::Crossbeam>(&c),
        ("flume", _) => work::run::<chan::Flume>(&c),
        ("std", _) => work::run::<chan::Std>(&c),
        _ => die("LIB must be crossbeam, flume or std"),
    }
}
