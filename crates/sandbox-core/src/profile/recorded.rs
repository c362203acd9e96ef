//! Stacks of calls as they were sampled, in bounded memory.

use std::collections::HashMap;
use std::sync::Arc;

/// One call in a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Frame {
    /// The function of the module that has that index.
    Function(u32),
    /// A function of the host, or of WebAssembly's runtime.
    Host,
    /// Stands for outer calls that were not sampled.
    Cut,
}

/// Calls of a guest that led to where it was, the outermost first.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Stack {
    /// The number of its module.
    pub(super) module: usize,
    pub(super) frames: Box<[Frame]>,
}

/// Several samples of one stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// The number of the stack.
    pub(super) stack: usize,
    pub(super) weight: u64,
}

/// All that was sampled so far.
///
/// The order of the samples is kept as long as there is room for it. Then it is given up, and only how often each stack was met is
/// known. When there is no room for more stacks either, samples of stacks that were never met are lost.
#[derive(Debug)]
pub(super) struct Recorded {
    /// Largest number of frames that are kept and written, those of each run.
    most_frames: usize,
    frames: usize,
    numbers: HashMap<Arc<Stack>, usize>,
    stacks: Vec<Arc<Stack>>,
    runs: Vec<Run>,
    is_in_order: bool,
}

impl Recorded {
    pub(super) fn new(most_frames: usize) -> Self {
        let (numbers, stacks, runs) = (HashMap::new(), Vec::new(), Vec::new());
        Self { most_frames, frames: 0, numbers, stacks, runs, is_in_order: true }
    }

    /// Adds so many samples of a stack. Without room for it, that does nothing.
    pub(super) fn add(&mut self, stack: Stack, weight: u64) {
        let number = self.numbers.get(&stack).copied();
        if let Some(last) = self.runs.last_mut().filter(|last| Some(last.stack) == number) {
            last.weight += weight;
            return;
        }
        if self.is_in_order && self.frames + cost(&stack) > self.most_frames {
            self.give_up_order();
        }
        if let (false, Some(number)) = (self.is_in_order, number) {
            // There is one run for each stack now, in the order of their numbers.
            self.runs[number].weight += weight;
            return;
        }
        if self.frames + cost(&stack) > self.most_frames {
            return;
        }
        self.frames += cost(&stack);
        let stack = number.unwrap_or_else(|| {
            let (number, stack) = (self.stacks.len(), Arc::new(stack));
            self.stacks.push(Arc::clone(&stack));
            self.numbers.insert(stack, number);
            number
        });
        self.runs.push(Run { stack, weight });
    }

    fn give_up_order(&mut self) {
        let stacks = 0..self.stacks.len();
        let mut runs: Vec<Run> = stacks.map(|stack| Run { stack, weight: 0 }).collect();
        for run in &self.runs {
            runs[run.stack].weight += run.weight;
        }
        self.runs = runs;
        self.frames = self.stacks.iter().map(|stack| cost(stack)).sum();
        self.is_in_order = false;
    }

    /// Whether the runs are in the order in which they were sampled.
    pub(super) fn is_in_order(&self) -> bool {
        self.is_in_order
    }

    /// The samples: the stack of each run, and how often it was met in a row.
    pub(super) fn runs(&self) -> impl Iterator<Item = (&Stack, u64)> {
        self.runs.iter().map(|run| (&*self.stacks[run.stack], run.weight))
    }
}

/// Number of frames and weights that a run of that stack takes.
fn cost(stack: &Stack) -> usize {
    stack.frames.len() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(functions: &[u32]) -> Stack {
        let frames = functions.iter().map(|function| Frame::Function(*function)).collect();
        Stack { module: 0, frames }
    }

    fn seen(recorded: &Recorded) -> Vec<(Vec<Frame>, u64)> {
        recorded.runs().map(|(stack, weight)| (stack.frames.to_vec(), weight)).collect()
    }

    #[test]
    fn what_follows_itself_is_one_run_and_the_order_is_kept() {
        let mut recorded = Recorded::new(100);
        for functions in [&[1, 2][..], &[1, 2], &[1], &[1, 2]] {
            recorded.add(stack(functions), 1);
        }
        let (one, both) = (stack(&[1]).frames.to_vec(), stack(&[1, 2]).frames.to_vec());
        assert_eq!(seen(&recorded), [(both.clone(), 2), (one, 1), (both, 1)]);
        assert!(recorded.is_in_order());
    }

    #[test]
    fn without_room_first_the_order_is_given_up_and_then_stacks_that_are_new() {
        let mut recorded = Recorded::new(12);
        for at in 0..1000u32 {
            recorded.add(stack(&[1, at % 3]), 1);
        }
        assert!(!recorded.is_in_order());
        let weights: Vec<u64> = recorded.runs().map(|(_, weight)| weight).collect();
        assert_eq!(weights, [334, 333, 333]);
        for at in 0..1000u32 {
            recorded.add(stack(&[1, at]), 1);
        }
        let weights: Vec<u64> = recorded.runs().map(|(_, weight)| weight).collect();
        assert_eq!(weights, [335, 334, 334, 1]);
        assert!(recorded.frames <= 12);
    }
}
