// SPDX-License-Identifier: MIT

//! One face for the channels that are compared.

use std::sync::mpsc;

pub trait Tx<T>: Send + 'static {
    fn send(&self, item: T);
    fn dup(&self) -> Self;
}

pub trait Rx<T>: Send + 'static {
    /// None at the end.
    fn recv(&self) -> Option<T>;
    fn dup(&self) -> Self;
}

pub trait Lib<T> {
    type Tx: Tx<T>;
    type Rx: Rx<T>;
    fn open(cap: usize) -> (Self::Tx, Self::Rx);
}

pub struct Crossbeam;
pub struct Flume;
pub struct Std;

impl<T: Send + 'static> Lib<T> for Crossbeam {
    type Tx = crossbeam_channel::Sender<T>;
    type Rx = crossbeam_channel::Receiver<T>;
    fn open(cap: usize) -> (Self::Tx, Self::Rx) {
        crossbeam_channel::bounded(cap)
    }
}

impl<T: Send + 'static> Lib<T> for Flume {
    type Tx = flume::Sender<T>;
    type Rx = flume::Receiver<T>;
    fn open(cap: usize) -> (Self::Tx, Self::Rx) {
        flume::bounded(cap)
    }
}

impl<T: Send + 'static> Lib<T> for Std {
    type Tx = mpsc::SyncSender<T>;
    type Rx = mpsc::Receiver<T>;
    fn open(cap: usize) -> (Self::Tx, Self::Rx) {
        mpsc::sync_channel(cap)
    }
}

macro_rules! ends {
    ($tx:ty, $rx:ty, $dup_rx:expr) => {
        impl<T: Send + 'static> Tx<T> for $tx {
            #[inline(always)]
            fn send(&self, item: T) {
                if <$tx>::send(self, item).is_err() {
                    crate::harness::die("send: no receiver");
                }
            }
            fn dup(&self) -> Self {
                self.clone()
            }
        }
        impl<T: Send + 'static> Rx<T> for $rx {
            #[inline(always)]
            fn recv(&self) -> Option<T> {
                <$rx>::recv(self).ok()
            }
            fn dup(&self) -> Self {
                let dup: fn(&Self) -> Self = $dup_rx;
                dup(self)
            }
        }
    };
}

ends!(crossbeam_channel::Sender<T>, crossbeam_channel::Receiver<T>, |rx| rx.clone());
ends!(flume::Sender<T>, flume::Receiver<T>, |rx| rx.clone());
ends!(mpsc::SyncSender<T>, mpsc::Receiver<T>, |_| crate::harness::die("one receiver only"));
