//! Operators and functions of formulas.

/// An operator between two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `+`
    Plus,
    /// `-`
    Minus,
    /// `*`
    Times,
    /// `/`
    Over,
    /// `%`, with the sign of the left operand.
    Modulo,
    /// `^`, the only one that groups to the right.
    Power,
}

impl Operator {
    /// Binding of a sign: tighter than `*`, looser than `^`.
    pub(crate) const NEGATION_BINDS: u8 = 5;

    pub(crate) fn of(symbol: char) -> Option<Self> {
        Some(match symbol {
            '+' => Self::Plus,
            '-' => Self::Minus,
            '*' => Self::Times,
            '/' => Self::Over,
            '%' => Self::Modulo,
            '^' => Self::Power,
            _ => return None,
        })
    }

    /// Returns how tightly it binds to the left and to the right.
    pub(crate) fn binding(self) -> (u8, u8) {
        match self {
            Self::Plus | Self::Minus => (1, 2),
            Self::Times | Self::Over | Self::Modulo => (3, 4),
            Self::Power => (8, 7),
        }
    }

    pub(crate) fn apply(self, left: f64, right: f64) -> f64 {
        match self {
            Self::Plus => left + right,
            Self::Minus => left - right,
            Self::Times => left * right,
            Self::Over => left / right,
            Self::Modulo => left % right,
            Self::Power => power(left, right),
        }
    }
}

/// A function of one or more numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// Without the sign.
    Abs,
    /// The square root.
    Sqrt,
    /// Down to a whole number.
    Floor,
    /// Up to a whole number.
    Ceil,
    /// To the nearest whole number, halves away from zero.
    Round,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// The sum.
    Sum,
    /// The sum over the count.
    Mean,
}

const FUNCTIONS: [(&str, Function); 9] = [
    ("abs", Function::Abs),
    ("sqrt", Function::Sqrt),
    ("floor", Function::Floor),
    ("ceil", Function::Ceil),
    ("round", Function::Round),
    ("min", Function::Min),
    ("max", Function::Max),
    ("sum", Function::Sum),
    ("mean", Function::Mean),
];

impl Function {
    pub(crate) fn named(name: &str) -> Option<Self> {
        FUNCTIONS.iter().find(|(known, _)| *known == name).map(|&(_, function)| function)
    }

    pub(crate) fn name(self) -> &'static str {
        FUNCTIONS.iter().find(|&&(_, function)| function == self).map_or("", |(name, _)| name)
    }

    pub(crate) fn takes(self, arguments: usize) -> bool {
        match self {
            Self::Abs | Self::Sqrt | Self::Floor | Self::Ceil | Self::Round => arguments == 1,
            Self::Min | Self::Max | Self::Sum | Self::Mean => arguments > 0,
        }
    }

    pub(crate) fn apply(self, arguments: &[f64]) -> f64 {
        let first = arguments.first().copied().unwrap_or(f64::NAN);
        let sum = || arguments.iter().sum::<f64>();
        match self {
            Self::Abs => first.abs(),
            Self::Sqrt => first.sqrt(),
            Self::Floor => first.floor(),
            Self::Ceil => first.ceil(),
            Self::Round => first.round(),
            Self::Min => arguments.iter().copied().fold(first, f64::min),
            Self::Max => arguments.iter().copied().fold(first, f64::max),
            Self::Sum => sum(),
            Self::Mean => sum() / arguments.len() as f64,
        }
    }
}

/// Powers with whole exponents, by squaring: exact in the same way on every machine, which `powf`
/// is not. Other exponents have no value here.
fn power(base: f64, exponent: f64) -> f64 {
    const LARGEST: f64 = 4096.0;
    if exponent.fract() != 0.0 || exponent.abs() > LARGEST {
        return f64::NAN;
    }
    let (mut result, mut square, mut bits) = (1.0, base, exponent.abs() as u32);
    while bits > 0 {
        if bits & 1 == 1 {
            result *= square;
        }
        square *= square;
        bits >>= 1;
    }
    if exponent < 0.0 { 1.0 / result } else { result }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_products() {
        assert_eq!((power(2.0, 10.0), power(2.0, -2.0), power(5.0, 0.0)), (1024.0, 0.25, 1.0));
        assert!(power(2.0, 0.5).is_nan());
    }

    #[test]
    fn every_function_is_found_by_its_name() {
        for (name, function) in FUNCTIONS {
            assert_eq!(Function::named(name), Some(function));
            assert_eq!(function.name(), name);
        }
    }

    #[test]
    fn functions_of_many_take_all_of_them() {
        let numbers = [4.0, -1.0, 3.0];
        assert_eq!(Function::Min.apply(&numbers), -1.0);
        assert_eq!(Function::Max.apply(&numbers), 4.0);
        assert_eq!(Function::Mean.apply(&numbers), 2.0);
    }
}
