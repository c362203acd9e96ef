//! From characters to tokens.

use crate::expression::CalculationError;

/// The smallest parts of a formula.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    Number(f64),
    Name(String),
    /// One of `+ - * / % ^ ( ) ,`.
    Symbol(char),
}

/// Splits a formula into tokens.
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, CalculationError> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, len) = match first {
            '0'..='9' | '.' => number(rest)?,
            '_' | 'a'..='z' | 'A'..='Z' => name(rest),
            '+' | '-' | '*' | '/' | '%' | '^' | '(' | ')' | ',' => (Token::Symbol(first), 1),
            other => return Err(CalculationError::UnknownCharacter(other)),
        };
        tokens.push(token);
        rest = rest[len..].trim_start();
    }
    Ok(tokens)
}

fn name(text: &str) -> (Token, usize) {
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let len = text.find(|character| !is_part(character)).unwrap_or(text.len());
    (Token::Name(text[..len].to_owned()), len)
}

/// Digits, perhaps a point and more of them, perhaps an exponent.
fn number(text: &str) -> Result<(Token, usize), CalculationError> {
    let digits = |from: usize| text[from..].bytes().take_while(u8::is_ascii_digit).count();
    let mut len = digits(0);
    if text[len..].starts_with('.') {
        len += 1;
        len += digits(len);
    }
    if text[len..].starts_with(['e', 'E']) {
        let sign = usize::from(text[len + 1..].starts_with(['+', '-']));
        let exponent = digits(len + 1 + sign);
        if exponent > 0 {
            len += 1 + sign + exponent;
        }
    }
    let number = text[..len].parse();
    let number = number.map_err(|_| CalculationError::BadNumber(text[..len].to_owned()))?;
    Ok((Token::Number(number), len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_formula_falls_into_its_tokens() {
        let name = |name: &str| Token::Name(name.to_owned());
        let expected = [
            Token::Number(2.5e3),
            Token::Symbol('*'),
            name("x_1"),
            Token::Symbol('('),
            Token::Number(0.5),
            name("e"),
            Token::Symbol(')'),
        ];
        assert_eq!(tokens(" 2.5e3*x_1 (.5e)").unwrap(), expected);
    }

    #[test]
    fn what_is_no_token_is_named() {
        assert_eq!(tokens("1 $ 2"), Err(CalculationError::UnknownCharacter('$')));
        assert_eq!(tokens("."), Err(CalculationError::BadNumber(".".to_owned())));
    }
}
