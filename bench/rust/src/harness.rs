// SPDX-License-Identifier: MIT

//! The command line, CPU places, the clock and the measuring window; see
//! c/harness.h for the protocol.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

pub const WARM_UP: Duration = Duration::from_millis(20);

pub static STOP: AtomicBool = AtomicBool::new(false);

pub type CpuSet = [u64; 16];

#[repr(C)]
#[derive(Default, Clone, Copy)]
struct Rusage {
    utime: [i64; 2],
    stime: [i64; 2],
    rest: [i64; 12],
    nvcsw: i64,
    nivcsw: i64,
}

extern "C" {
    fn sched_getaffinity(pid: i32, size: usize, set: *mut CpuSet) -> i32;
    fn sched_setaffinity(pid: i32, size: usize, set: *const CpuSet) -> i32;
    fn getrusage(who: i32, usage: *mut Rusage) -> i32;
    fn alarm(seconds: u32) -> u32;
}

#[derive(Clone)]
pub struct Conf {
    pub workload: String,
    pub place: String,
    pub secs: f64,
    pub size: usize,
    pub cap: usize,
    pub senders: usize,
    pub receivers: usize,
    pub gap: u64,
    pub dirs: usize,
    pub pairs: usize,
    pub workers: usize,
    pub steps: usize,
    allowed: CpuSet,
}

/// Written by one thread and read by the window.
#[repr(align(128))]
#[derive(Default)]
pub struct Counter(pub AtomicU64);

impl Counter {
    #[inline(always)]
    pub fn inc(&self) {
        self.0.store(self.0.load(Relaxed) + 1, Relaxed);
    }
}

pub fn die(why: &str) -> ! {
    eprintln!("peer-rust: {}", why);
    std::process::exit(1)
}

#[inline(always)]
pub fn check(got: u64, want: u64) {
    if got != want {
        die(&format!("got item {} in place of {}", got, want));
    }
}

#[inline(always)]
pub fn stopped() -> bool {
    STOP.load(Relaxed)
}

pub fn parse(args: &[String]) -> Conf {
    let mut c = Conf {
        workload: args[0].clone(),
        place: "free".into(),
        secs: 0.15,
        size: 8,
        cap: 1024,
        senders: 1,
        receivers: 1,
        gap: 50,
        dirs: 1,
        pairs: 20000,
        workers: 1,
        steps: 0,
        allowed: [0; 16],
    };
    for arg in &args[1..] {
        let (key, value) = arg.split_once('=').unwrap_or((arg, ""));
        let number = || -> usize {
            value.parse().unwrap_or_else(|_| die(&format!("{}: not a number", arg)))
        };
        match key {
            "place" => c.place = value.into(),
            "secs" => c.secs = value.parse().unwrap_or_else(|_| die("secs: not a number")),
            "size" => c.size = number(),
            "cap" => c.cap = number(),
            "senders" => c.senders = number(),
            "receivers" => c.receivers = number(),
            "gap" => c.gap = number() as u64,
            "dirs" => c.dirs = number(),
            "pairs" => c.pairs = number(),
            "workers" => c.workers = number(),
            "steps" => c.steps = number(),
            "api" | "batch" => {}
            _ => die(&format!("{}: unknown key", arg)),
        }
    }
    unsafe {
        alarm(c.secs as u32 + 20);
        if sched_getaffinity(0, std::mem::size_of::<CpuSet>(), &mut c.allowed) != 0 {
            die("sched_getaffinity");
        }
    }
    c
}

/// Puts the calling thread where the place says; role 0 sends, 1 receives.
pub fn place(c: &Conf, role: usize) {
    if c.place != "pin" {
        return;
    }
    let cpu = (0..1024).filter(|n| c.allowed[n / 64] >> (n % 64) & 1 == 1).nth(role);
    let cpu = cpu.unwrap_or_else(|| die("place=pin needs two CPUs"));
    let mut one: CpuSet = [0; 16];
    one[cpu / 64] = 1 << (cpu % 64);
    if unsafe { sched_setaffinity(0, std::mem::size_of::<CpuSet>(), &one) } != 0 {
        die("sched_setaffinity");
    }
}

fn sum(counters: &[Counter]) -> u64 {
    counters.iter().map(|c| c.0.load(Relaxed)).sum()
}

/// What is counted per second after the warm-up; sets STOP.
pub fn rate(c: &Conf, counters: &[Counter]) -> f64 {
    std::thread::sleep(WARM_UP);
    let (t0, n0) = (Instant::now(), sum(counters));
    std::thread::sleep(Duration::from_secs_f64(c.secs));
    let (t1, n1) = (Instant::now(), sum(counters));
    STOP.store(true, Relaxed);
    (n1 - n0) as f64 / (t1 - t0).as_secs_f64()
}

/// work_on() of c/harness.h.
#[inline(always)]
pub fn work_on(v: u64, steps: usize) {
    let mut x = v;
    for _ in 0..steps {
        x = (x ^ x >> 29).wrapping_mul(0x9e3779b97f4a7c15);
    }
    if x == 0 && v != 0 {
        die("never: each step is one to one, and 0 stays 0");
    }
}

fn usage(who: i32) -> Rusage {
    let mut ru = Rusage::default();
    unsafe { getrusage(who, &mut ru) };
    ru
}

/// Voluntary context switches of the calling thread.
pub fn thread_sleeps() -> i64 {
    usage(1).nvcsw
}

/// CPU nanoseconds and voluntary context switches of all threads but the calling one.
pub fn others() -> (f64, i64) {
    let (all, own) = (usage(0), usage(1));
    let us = |ru: &Rusage| (ru.utime[0] + ru.stime[0]) * 1_000_000 + ru.utime[1] + ru.stime[1];
    ((us(&all) - us(&own)) as f64 * 1e3, all.nvcsw - own.nvcsw)
}

pub fn resident() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: f64 = text.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0.0);
    pages * 4096.0
}

pub fn print_trips(mut ns: Vec<u32>, mean: f64, sleeps: f64) {
    if ns.is_empty() {
        die("not one round trip in the window");
    }
    ns.sort_unstable();
    let (p50, p99) = (ns[ns.len() / 2], ns[ns.len() * 99 / 100]);
    println!("{} ns mean={:.0} p99={} sleeps={:.3} n={}", p50, mean, p99, sleeps, ns.len());
}
