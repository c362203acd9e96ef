//! A sheet: lines that build on the ones above them.

use std::collections::BTreeMap;

use crate::expression::{CalculationError, Expression};

/// A calculated sheet.
#[derive(Clone, Debug, PartialEq)]
pub struct Sheet {
    /// Its lines, without the empty ones.
    pub lines: Vec<Line>,
}

/// A line and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// As it was written.
    pub text: String,
    /// Under which name the lines below know its value.
    pub name: Option<String>,
    /// Its value.
    pub value: Result<f64, CalculationError>,
}

impl Sheet {
    /// Calculates all lines from top to bottom. A line that fails does not stop the others.
    #[must_use]
    pub fn calculate(text: &str) -> Self {
        let mut variables = BTreeMap::new();
        let mut lines = Vec::new();
        for text in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (name, formula) = match text.split_once('=') {
                Some((name, formula)) => (Some(name.trim().to_owned()), formula),
                None => (None, text),
            };
            let value = Expression::parse(formula).and_then(|formula| formula.value(&variables));
            if let (Some(name), Ok(value)) = (&name, &value) {
                variables.insert(name.clone(), *value);
            }
            lines.push(Line { text: text.to_owned(), name, value });
        }
        Self { lines }
    }

    /// The values of the lines that have one.
    #[must_use]
    pub fn values(&self) -> Vec<f64> {
        self.lines.iter().filter_map(|line| line.value.clone().ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_see_only_the_ones_above() {
        let sheet = Sheet::calculate("b = a + 1\na = 1\nb = a + 1\n");
        assert_eq!(sheet.lines[0].value, Err(CalculationError::UnknownVariable("a".to_owned())));
        assert_eq!(sheet.values(), [1.0, 2.0]);
    }
}
