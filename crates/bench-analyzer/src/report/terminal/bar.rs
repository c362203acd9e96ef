//! Intervals drawn with characters.

use bench_stats::detect::verdict::{Comparison, RatioInterval, Verdict};

/// The scale that all bars of a report share: symmetric in log ratios, so that twice as slow and
/// twice as fast lie equally far out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    /// The log ratio at the right end.
    limit: f64,
}

/// Cells of a bar; odd, so that one of them is the middle.
pub(super) const CELLS: usize = 25;

impl Scale {
    /// Wide enough for everything that changed and for most of the rest.
    pub(super) fn of(comparisons: &[Comparison]) -> Self {
        /// Two percent, so that noise does not fill a bar; fourfold, so that one outrageous change
        /// leaves the others readable.
        const BOUNDS: (f64, f64) = (0.02, 1.386);
        let reach = |interval: RatioInterval| {
            let (low, high) = (interval.low.ln().abs(), interval.high.ln().abs());
            low.max(high)
        };
        let changed =
            |one: &&Comparison| matches!(one.verdict, Verdict::Regression | Verdict::Improvement);
        let mut open: Vec<f64> = comparisons.iter().map(|one| reach(one.interval)).collect();
        open.sort_by(f64::total_cmp);
        let usual = open.get(open.len() * 3 / 4).copied().unwrap_or(0.0);
        let widest = comparisons.iter().filter(changed).map(|one| reach(one.interval));
        Self { limit: widest.fold(usual, f64::max).clamp(BOUNDS.0, BOUNDS.1) }
    }

    /// The relative changes at both ends.
    pub(super) fn ends(self) -> (f64, f64) {
        ((-self.limit).exp_m1(), self.limit.exp_m1())
    }

    fn cell(self, log: f64) -> Position {
        let middle = bench_stats::stats::mean::to_f64(CELLS / 2);
        let at = (log / self.limit * middle).round() + middle;
        if at < 0.0 {
            Position::Below
        } else if at > 2.0 * middle {
            Position::Beyond
        } else {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "inside the bar, by the comparisons above"
            )]
            Position::Cell(at as usize)
        }
    }

    /// The bar: `─` the interval, `●` the change, `│` no change, `·` changes of no interest.
    pub(super) fn bar(self, comparison: &Comparison, threshold: f64) -> String {
        let mut cells = [' '; CELLS];
        if let (Position::Cell(low), Position::Cell(high)) =
            (self.cell(-threshold), self.cell(threshold))
        {
            cells[low..=high].fill('·');
        }
        cells[CELLS / 2] = '│';
        let (low, high) = (comparison.interval.low.ln(), comparison.interval.high.ln());
        let (from, first) = match self.cell(low) {
            Position::Cell(cell) => (cell, '├'),
            Position::Below => (0, '◂'),
            Position::Beyond => (CELLS - 1, '▸'),
        };
        let (to, last) = match self.cell(high) {
            Position::Cell(cell) => (cell, '┤'),
            Position::Below => (0, '◂'),
            Position::Beyond => (CELLS - 1, '▸'),
        };
        cells[from..=to.max(from)].fill('─');
        cells[from] = first;
        cells[to.max(from)] = last;
        if let Position::Cell(cell) = self.cell(comparison.ratio.ln()) {
            cells[cell] = '●';
        }
        cells.iter().collect()
    }
}

enum Position {
    Below,
    Cell(usize),
    Beyond,
}
