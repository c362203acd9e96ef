//! Arithmetic over memory: multiplies matrices.

use sandbox_guest::export;

/// The size of the matrices.
const SIZE: usize = 24;

type Matrix = [[u32; SIZE]; SIZE];

/// Squares a matrix again and again, `rounds` times, and returns the sum of its elements. The
/// arithmetic wraps around, so that the result is exact.
#[export]
#[must_use]
pub fn compute_intensive(rounds: u32) -> u64 {
    let mut matrix = start();
    for round in 0..rounds {
        matrix = product(&matrix, &matrix);
        // Squares of even numbers end in zeros; this keeps the elements odd enough.
        for (row, line) in (round..).zip(&mut matrix) {
            for (column, element) in (1..).zip(line) {
                *element ^= row.wrapping_mul(0x9e37_79b9) ^ column;
            }
        }
    }
    matrix.iter().flatten().map(|&element| u64::from(element)).sum()
}

fn start() -> Matrix {
    let mut matrix = [[0; SIZE]; SIZE];
    for (number, element) in (1_u32..).zip(matrix.iter_mut().flatten()) {
        *element = number.wrapping_mul(0x85eb_ca6b);
    }
    matrix
}

fn product(left: &Matrix, right: &Matrix) -> Matrix {
    let mut product = [[0_u32; SIZE]; SIZE];
    for (line, sums) in left.iter().zip(&mut product) {
        for (factor, others) in line.iter().zip(right) {
            for (sum, other) in sums.iter_mut().zip(others) {
                *sum = sum.wrapping_add(factor.wrapping_mul(*other));
            }
        }
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_matrix_changes_nothing() {
        let mut unit = [[0; SIZE]; SIZE];
        for (index, line) in unit.iter_mut().enumerate() {
            line[index] = 1;
        }
        assert_eq!(product(&start(), &unit), start());
        assert_eq!(product(&unit, &start()), start());
    }

    #[test]
    fn an_element_is_a_row_times_a_column() {
        let matrix = start();
        let element = (0..SIZE).fold(0_u32, |sum, index| {
            sum.wrapping_add(matrix[3][index].wrapping_mul(matrix[index][5]))
        });
        assert_eq!(product(&matrix, &matrix)[3][5], element);
    }

    #[test]
    fn each_round_counts() {
        let sums: std::collections::BTreeSet<u64> = (0..8).map(compute_intensive).collect();
        assert_eq!(sums.len(), 8);
    }
}
