//! A value with most of what serde knows: nested structs, an enum with fields, options, maps, bytes
//! and floats.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// An order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// Any number.
    pub id: u64,
    /// Who ordered; nobody, if it was the house itself.
    pub customer: Option<String>,
    /// Articles that were ordered.
    pub lines: Vec<Line>,
    /// Whatever else is known.
    pub notes: BTreeMap<String, String>,
    /// State of the order.
    pub status: Status,
}

/// Too few of something: an error that hosts decode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shortage {
    /// Name of the article.
    pub article: String,
    /// Number of pieces that are not there.
    pub missing: u32,
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} are missing", self.missing, self.article)
    }
}

/// One line of an order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Name of the article.
    pub article: String,
    /// Number of pieces; negative where some came back.
    pub count: i32,
    /// Price of one piece.
    pub price: f64,
}

/// State of an order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Status {
    /// Not looked at yet.
    #[default]
    Open,
    /// On its way.
    Shipped {
        /// The carrier's name for it.
        tracking: String,
        /// Number of parcels.
        parcels: u8,
    },
    /// Given up.
    Cancelled(String),
}

/// Summary of an order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Of the order.
    pub id: u64,
    /// Number of articles.
    pub articles: i64,
    /// Price of all of them.
    pub total: f64,
    /// The longest name of an article; none in an empty order.
    pub longest: Option<String>,
}

impl Order {
    /// Adds up the order.
    #[must_use]
    pub fn summary(&self) -> Report {
        let longest = self.lines.iter().map(|line| &line.article).max_by_key(|name| name.len());
        Report {
            id: self.id,
            articles: self.lines.iter().map(|line| i64::from(line.count)).sum(),
            total: self.lines.iter().map(|line| f64::from(line.count) * line.price).sum(),
            longest: longest.cloned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_adds_up() {
        let line = |article: &str, count, price| Line { article: article.to_owned(), count, price };
        let lines = vec![line("bolt", 10, 0.5), line("hammer", 1, 20.0), line("nut", -2, 0.25)];
        let report = Order { id: 7, lines, ..Order::default() }.summary();
        assert_eq!((report.id, report.articles, report.total), (7, 9, 24.5));
        assert_eq!(report.longest.as_deref(), Some("hammer"));
    }

    #[test]
    fn an_order_survives_its_encoding() {
        let status = Status::Shipped { tracking: "x1".to_owned(), parcels: 2 };
        let order = Order { id: 1, status, ..Order::default() };
        let text = serde_json::to_string(&order).unwrap();
        assert_eq!(serde_json::from_str::<Order>(&text).unwrap(), order);
    }
}
