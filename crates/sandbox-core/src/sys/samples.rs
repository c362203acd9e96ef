//! Samples of where guests are, on their way from the handler of a signal to a profile.
//!
//! The watchdog [asks](Sampler::ask) for one and sends the signal. The handler, on the guest's thread, walks the guest's stack and puts
//! what it finds into one of a fixed number of slots: it allocates nothing, takes no lock and waits for nobody. Somebody else
//! [collects](Samples::collect) what is there from time to time. What finds no free slot is lost, and that is known, because it is
//! counted what was asked for.
//!
//! While a guest waits for a function of the host, its handler cannot tell where the guest is: its stack pointer is in nobody's
//! register. Such a sample is only counted, and the function shows who called it [as it ends](super::interrupt::settle).

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use super::code::Code;
use super::frames;
use super::stack::Bounds;
use super::thread::Registers;
use crate::sync::stop_word::StopWord;

/// Largest number of a guest's calls in a sample: the innermost ones.
pub(crate) const MOST_SAMPLED: usize = 128;

/// Number of samples that are kept until they are collected.
const SLOTS: u64 = 512;

/// Number of slots that a handler tries.
const TRIES: u64 = 8;

/// States of a slot.
const FREE: u8 = 0;
const WRITING: u8 = 1;
const WRITTEN: u8 = 2;
const READING: u8 = 3;

/// Where a guest was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In its own code.
    Guest,
    /// In a function of the host that it called.
    Host,
}

/// One sample, or several that are alike.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    /// By which samples are told in time.
    order: u64,
    /// The number of the code, as its sampler was given it.
    pub(crate) source: u32,
    pub(crate) place: Place,
    /// How many of them there are.
    pub(crate) weight: u32,
    /// Whether there are more calls than [`MOST_SAMPLED`].
    pub(crate) is_cut: bool,
    /// Addresses within the instructions that were executed, innermost first.
    pub(crate) addresses: Vec<usize>,
}

/// Samples that nobody has collected yet.
pub(crate) struct Samples {
    /// One for each slot, close to each other: most are free whenever somebody looks.
    states: Box<[AtomicU8]>,
    slots: Box<[Slot]>,
    /// Number of samples that handlers had to put somewhere.
    taken: AtomicU64,
    /// That number when they were last collected.
    collected: AtomicU64,
    /// Number of samples that were asked for.
    asked: AtomicU64,
}

impl fmt::Debug for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Samples").field("taken", &self.taken).finish_non_exhaustive()
    }
}

/// Room for a sample. Whoever has its state has the sole use of it.
struct Slot {
    order: AtomicU64,
    source: AtomicU32,
    weight: AtomicU32,
    in_host: AtomicBool,
    is_cut: AtomicBool,
    len: AtomicUsize,
    addresses: [AtomicUsize; MOST_SAMPLED],
}

impl Slot {
    fn new() -> Self {
        Self {
            order: AtomicU64::new(0),
            source: AtomicU32::new(0),
            weight: AtomicU32::new(0),
            in_host: AtomicBool::new(false),
            is_cut: AtomicBool::new(false),
            len: AtomicUsize::new(0),
            addresses: [const { AtomicUsize::new(0) }; MOST_SAMPLED],
        }
    }

    /// Adds a call; says whether another is wanted.
    fn add(&self, address: usize) -> bool {
        let len = self.len.load(Ordering::Relaxed);
        match self.addresses.get(len) {
            Some(free) => {
                free.store(address, Ordering::Relaxed);
                self.len.store(len + 1, Ordering::Relaxed);
                true
            }
            None => {
                self.is_cut.store(true, Ordering::Relaxed);
                false
            }
        }
    }

    fn read(&self) -> Sample {
        let in_host = self.in_host.load(Ordering::Relaxed);
        let filled = self.addresses.iter().take(self.len.load(Ordering::Relaxed));
        Sample {
            order: self.order.load(Ordering::Relaxed),
            source: self.source.load(Ordering::Relaxed),
            place: if in_host { Place::Host } else { Place::Guest },
            weight: self.weight.load(Ordering::Relaxed),
            is_cut: self.is_cut.load(Ordering::Relaxed),
            addresses: filled.map(|address| address.load(Ordering::Relaxed)).collect(),
        }
    }
}

impl Samples {
    pub(crate) fn new() -> Self {
        Self {
            states: (0..SLOTS).map(|_| AtomicU8::new(FREE)).collect(),
            slots: (0..SLOTS).map(|_| Slot::new()).collect(),
            taken: AtomicU64::new(0),
            collected: AtomicU64::new(0),
            asked: AtomicU64::new(0),
        }
    }

    /// Counts samples that are wanted, whether or not they are going to be taken.
    pub(crate) fn count_asked(&self, samples: u64) {
        self.asked.fetch_add(samples, Ordering::Relaxed);
    }

    /// Number of samples that were wanted so far.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// Whether there are so many that they had better be collected.
    pub(crate) fn are_many(&self) -> bool {
        let (taken, collected) = (&self.taken, &self.collected);
        taken.load(Ordering::Relaxed).saturating_sub(collected.load(Ordering::Relaxed)) >= SLOTS / 8
    }

    /// Takes what is there, in the order in which it was sampled.
    pub(crate) fn collect(&self) -> Vec<Sample> {
        self.collected.store(self.taken.load(Ordering::Relaxed), Ordering::Relaxed);
        let written = self.states.iter().zip(&self.slots).filter_map(|(state, slot)| {
            let (is, becomes) = (WRITTEN, READING);
            state.compare_exchange(is, becomes, Ordering::Acquire, Ordering::Relaxed).ok()?;
            let sample = slot.read();
            state.store(FREE, Ordering::Release);
            Some(sample)
        });
        let mut samples: Vec<Sample> = written.collect();
        samples.sort_unstable_by_key(|sample| sample.order);
        samples
    }

    /// Keeps a sample, whose calls `walk` adds. Does nothing that a handler of a signal may not do, if that does not.
    fn keep(&self, source: u32, place: Place, weight: u32, walk: impl FnOnce(&Slot)) {
        let order = self.taken.fetch_add(1, Ordering::Relaxed);
        for at in order..order.wrapping_add(TRIES) {
            // Less than the number of slots.
            let at = (at % SLOTS) as usize;
            let (Some(state), Some(slot)) = (self.states.get(at), self.slots.get(at)) else {
                return;
            };
            let (is, becomes) = (FREE, WRITING);
            if state.compare_exchange(is, becomes, Ordering::Acquire, Ordering::Relaxed).is_err() {
                continue;
            }
            slot.order.store(order, Ordering::Relaxed);
            slot.source.store(source, Ordering::Relaxed);
            slot.weight.store(weight, Ordering::Relaxed);
            slot.in_host.store(place == Place::Host, Ordering::Relaxed);
            slot.is_cut.store(false, Ordering::Relaxed);
            slot.len.store(0, Ordering::Relaxed);
            walk(slot);
            return state.store(WRITTEN, Ordering::Release);
        }
    }
}

/// Has one instance sampled.
#[derive(Debug)]
pub(crate) struct Sampler {
    samples: Arc<Samples>,
    /// Tells whose code the addresses are in.
    source: u32,
    /// Number of samples of that source that found a guest in the host.
    in_host: Arc<AtomicU64>,
    /// Whether a sample is wanted that was not taken yet.
    is_due: AtomicBool,
    /// Number of samples that found the guest in the function of the host that it is in.
    unsettled: AtomicU32,
}

impl Sampler {
    pub(crate) fn new(samples: Arc<Samples>, source: u32, in_host: Arc<AtomicU64>) -> Self {
        let (is_due, unsettled) = (AtomicBool::new(false), AtomicU32::new(0));
        Self { samples, source, in_host, is_due, unsettled }
    }

    /// Wants a sample. The next signal to the guest's thread takes it.
    pub(crate) fn ask(&self) {
        self.is_due.store(true, Ordering::Release);
    }

    /// Says that another call of the guest has begun.
    pub(crate) fn begin_turn(&self) {
        self.unsettled.store(0, Ordering::Relaxed);
    }

    /// Takes the sample that is wanted, if one is, in the handler of a signal.
    ///
    /// # Safety
    /// As for [`frames::walk`], if the program counter is in that code.
    #[expect(unsafe_code, reason = "walks the stack of a guest")]
    pub(super) unsafe fn take(&self, registers: Registers, code: &Code, stack: Bounds) {
        if !self.is_due.swap(false, Ordering::AcqRel) {
            return;
        }
        if !code.contains(registers.counter) {
            self.in_host.fetch_add(1, Ordering::Relaxed);
            self.unsettled.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.unsettled.store(0, Ordering::Relaxed);
        self.samples.keep(self.source, Place::Guest, 1, |slot| {
            // SAFETY: our caller's contract.
            unsafe { frames::walk(registers, code, stack, |address| slot.add(address)) };
        });
    }

    /// Keeps the samples that found the guest in the function of the host that calls this, with those calls of the guest that led
    /// there.
    pub(super) fn settle(&self, code: &Code) {
        let weight = self.unsettled.swap(0, Ordering::Relaxed);
        if weight > 0 {
            self.samples.keep(self.source, Place::Host, weight, |slot| {
                frames::visit_callers(code, |address| slot.add(address));
            });
        }
    }
}

/// Requests to the guest of an instance while it runs, for the handler of the signal to see.
#[derive(Debug)]
pub(crate) struct Requests {
    /// Whether the turn is to stop.
    pub(crate) stop: StopWord,
    /// Of an instance that is sampled. In a box, since most are not.
    sampler: OnceLock<Box<Sampler>>,
}

impl Requests {
    pub(crate) fn new() -> Self {
        Self { stop: StopWord::new(), sampler: OnceLock::new() }
    }

    /// Has the instance sampled from now on.
    pub(crate) fn set_sampler(&self, sampler: Sampler) {
        let _ = self.sampler.set(Box::new(sampler));
    }

    #[inline]
    pub(crate) fn sampler(&self) -> Option<&Sampler> {
        self.sampler.get().map(Box::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(samples: &Samples, addresses: usize) {
        samples.keep(7, Place::Guest, 1, |slot| {
            for address in 0..addresses {
                slot.add(address);
            }
        });
    }

    #[test]
    fn samples_come_out_once_in_their_order_and_deep_ones_are_cut() {
        let samples = Samples::new();
        for addresses in [1, MOST_SAMPLED, MOST_SAMPLED + 1] {
            keep(&samples, addresses);
        }
        samples.keep(8, Place::Host, 3, |_| ());
        let collected = samples.collect();
        let seen: Vec<_> = collected
            .iter()
            .map(|sample| (sample.source, sample.place, sample.weight, sample.is_cut))
            .collect();
        let guest = |is_cut| (7, Place::Guest, 1, is_cut);
        assert_eq!(seen, [guest(false), guest(false), guest(true), (8, Place::Host, 3, false)]);
        assert_eq!(collected[2].addresses, (0..MOST_SAMPLED).collect::<Vec<_>>());
        assert_eq!(samples.collect(), []);
    }

    #[test]
    fn what_finds_no_room_is_left_out_and_harms_nothing() {
        let samples = Samples::new();
        for _ in 0..3 {
            for _ in 0..2 * SLOTS {
                keep(&samples, 2);
            }
            assert!(samples.are_many());
            let collected = samples.collect();
            assert_eq!(collected.len() as u64, SLOTS);
            assert!(collected.iter().all(|sample| sample.addresses == [0, 1]));
            assert!(!samples.are_many());
        }
    }

    #[test]
    fn threads_that_write_and_one_that_collects_lose_no_sample_and_mix_none() {
        const EACH: u32 = 20_000;
        let samples = Samples::new();
        let mut seen = 0u64;
        let mut weights = [0u64; 3];
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..3u32)
                .map(|source| {
                    let samples = &samples;
                    scope.spawn(move || {
                        (0..EACH)
                            .filter(|_| {
                                let mut is_kept = false;
                                samples.keep(source, Place::Guest, source + 1, |slot| {
                                    is_kept = true;
                                    (0..=source as usize).for_each(|_| {
                                        slot.add(source as usize);
                                    });
                                });
                                is_kept
                            })
                            .count() as u64
                    })
                })
                .collect();
            let mut take = |samples: &Samples| {
                for sample in samples.collect() {
                    let source = sample.source as usize;
                    assert_eq!(sample.weight, sample.source + 1);
                    assert_eq!(sample.addresses, vec![source; source + 1]);
                    weights[source] += 1;
                    seen += 1;
                }
            };
            while writers.iter().any(|writer| !writer.is_finished()) {
                take(&samples);
            }
            take(&samples);
            for (source, writer) in writers.into_iter().enumerate() {
                assert_eq!(writer.join().unwrap(), weights[source]);
            }
        });
        assert!(seen > 0);
    }
}
