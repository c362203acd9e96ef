//! Formulas: parsing by binding power, and evaluation.

use std::collections::BTreeMap;
use std::fmt;
use std::iter::Peekable;
use std::vec::IntoIter;

use crate::functions::{Function, Operator};
use crate::tokens::{Token, tokens};

/// A parsed formula.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// A number as it stands.
    Number(f64),
    /// Result of an earlier line.
    Variable(String),
    /// `-x`.
    Negated(Box<Expression>),
    /// `x + y` and the like.
    Binary(Operator, Box<Expression>, Box<Expression>),
    /// `f(x, y)`.
    Call(Function, Vec<Expression>),
}

/// Why a line has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CalculationError {
    /// A character that means nothing.
    UnknownCharacter(char),
    /// Something that starts like a number and is none.
    BadNumber(String),
    /// The formula stops in the middle.
    Unfinished,
    /// A token where none of its kind can be.
    Unexpected(String),
    /// Parentheses inside parentheses, deeper than anybody needs.
    TooDeep,
    /// A variable that no line above defines.
    UnknownVariable(String),
    /// A function that does not exist.
    UnknownFunction(String),
    /// A function with too few or too many arguments.
    WrongArguments(&'static str),
    /// A result that is no number, or infinite.
    NoValue,
}

/// Deepest nesting of formulas: the stack of a guest is small.
const DEEPEST: usize = 64;

impl Expression {
    /// Parses a formula.
    ///
    /// # Errors
    ///
    /// What is wrong with it first.
    pub fn parse(text: &str) -> Result<Self, CalculationError> {
        let mut parser = Parser { tokens: tokens(text)?.into_iter().peekable(), depth: 0 };
        let expression = parser.expression(0)?;
        match parser.tokens.next() {
            Some(token) => Err(unexpected(&token)),
            None => Ok(expression),
        }
    }

    /// Calculates the value.
    ///
    /// # Errors
    ///
    /// A missing variable, or a result that is not finite.
    pub fn value(&self, variables: &BTreeMap<String, f64>) -> Result<f64, CalculationError> {
        let value = match self {
            Self::Number(number) => *number,
            Self::Variable(name) => {
                let missing = || CalculationError::UnknownVariable(name.clone());
                *variables.get(name).ok_or_else(missing)?
            }
            Self::Negated(inner) => -inner.value(variables)?,
            Self::Binary(operator, left, right) => {
                operator.apply(left.value(variables)?, right.value(variables)?)
            }
            Self::Call(function, arguments) => {
                let arguments: Result<Vec<f64>, _> =
                    arguments.iter().map(|argument| argument.value(variables)).collect();
                function.apply(&arguments?)
            }
        };
        if value.is_finite() { Ok(value) } else { Err(CalculationError::NoValue) }
    }
}

struct Parser {
    tokens: Peekable<IntoIter<Token>>,
    depth: usize,
}

impl Parser {
    /// Parses as far as the operators bind at least as tightly as `least`.
    fn expression(&mut self, least: u8) -> Result<Expression, CalculationError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(CalculationError::TooDeep);
        }
        let mut left = self.operand()?;
        while let Some(operator) = self.next_operator() {
            let (binds_left, binds_right) = operator.binding();
            if binds_left < least {
                break;
            }
            self.tokens.next();
            let right = self.expression(binds_right)?;
            left = Expression::Binary(operator, Box::new(left), Box::new(right));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn next_operator(&mut self) -> Option<Operator> {
        match self.tokens.peek() {
            Some(Token::Symbol(symbol)) => Operator::of(*symbol),
            _ => None,
        }
    }

    fn operand(&mut self) -> Result<Expression, CalculationError> {
        match self.tokens.next().ok_or(CalculationError::Unfinished)? {
            Token::Number(number) => Ok(Expression::Number(number)),
            Token::Name(name) if self.tokens.next_if_eq(&Token::Symbol('(')).is_some() => {
                self.call(&name)
            }
            Token::Name(name) => Ok(Expression::Variable(name)),
            Token::Symbol('-') => {
                let inner = self.expression(Operator::NEGATION_BINDS)?;
                Ok(Expression::Negated(Box::new(inner)))
            }
            Token::Symbol('(') => {
                let inner = self.expression(0)?;
                self.expect(')')?;
                Ok(inner)
            }
            other => Err(unexpected(&other)),
        }
    }

    fn call(&mut self, name: &str) -> Result<Expression, CalculationError> {
        let unknown = || CalculationError::UnknownFunction(name.to_owned());
        let function = Function::named(name).ok_or_else(unknown)?;
        let mut arguments = vec![self.expression(0)?];
        while self.tokens.next_if_eq(&Token::Symbol(',')).is_some() {
            arguments.push(self.expression(0)?);
        }
        self.expect(')')?;
        if function.takes(arguments.len()) {
            Ok(Expression::Call(function, arguments))
        } else {
            Err(CalculationError::WrongArguments(function.name()))
        }
    }

    fn expect(&mut self, symbol: char) -> Result<(), CalculationError> {
        match self.tokens.next() {
            Some(Token::Symbol(found)) if found == symbol => Ok(()),
            Some(other) => Err(unexpected(&other)),
            None => Err(CalculationError::Unfinished),
        }
    }
}

fn unexpected(token: &Token) -> CalculationError {
    CalculationError::Unexpected(match token {
        Token::Number(number) => number.to_string(),
        Token::Name(name) => name.clone(),
        Token::Symbol(symbol) => symbol.to_string(),
    })
}

impl fmt::Display for CalculationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownCharacter(character) => write!(f, "{character:?} means nothing"),
            Self::BadNumber(text) => write!(f, "{text} is no number"),
            Self::Unfinished => f.write_str("the formula stops in the middle"),
            Self::Unexpected(token) => write!(f, "{token} cannot stand here"),
            Self::TooDeep => f.write_str("the formula is nested too deeply"),
            Self::UnknownVariable(name) => write!(f, "there is no {name}"),
            Self::UnknownFunction(name) => write!(f, "there is no function {name}"),
            Self::WrongArguments(name) => write!(f, "wrong number of arguments for {name}"),
            Self::NoValue => f.write_str("the result is no number"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Result<f64, CalculationError> {
        let variables = [("x".to_owned(), 3.0)].into();
        Expression::parse(text)?.value(&variables)
    }

    #[test]
    fn operators_bind_as_in_school() {
        for (text, expected) in [
            ("1 + 2 * 3", 7.0),
            ("(1 + 2) * 3", 9.0),
            ("10 - 4 - 3", 3.0),
            ("2 ^ 3 ^ 2", 512.0),
            ("-2 ^ 2", -4.0),
            ("7 % 4 + x", 6.0),
            ("8 / 4 / 2", 1.0),
            ("-x * -x", 9.0),
            ("min(4, x, 5) + abs(0 - 2)", 5.0),
        ] {
            assert_eq!(value(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn errors_name_their_cause() {
        for (text, expected) in [
            ("1 +", "stops in the middle"),
            ("(1", "stops in the middle"),
            ("1 2", "2 cannot stand here"),
            ("y", "there is no y"),
            ("f(1)", "no function f"),
            ("sqrt(1, 2)", "arguments for sqrt"),
            ("1 / 0", "no number"),
            ("sqrt(0 - 1)", "no number"),
            (&"(".repeat(100), "too deeply"),
        ] {
            let message = value(text).unwrap_err().to_string();
            assert!(message.contains(expected), "{text}: {message}");
        }
    }
}
