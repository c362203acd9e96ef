//! A value in, a value out: prices a batch of orders.
//!
//! The work is small next to the encoding, so that what is measured is the format.

use std::collections::BTreeMap;

use sandbox_guest::export;
use serde::{Deserialize, Serialize};

/// Batch that goes in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// The orders.
    pub orders: Vec<Order>,
    /// Price of each article, in cents.
    pub prices: BTreeMap<String, u32>,
}

/// An order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// Its number.
    pub id: u64,
    /// Who ordered.
    pub customer: Customer,
    /// Articles, and how many of each.
    pub items: Vec<(String, u32)>,
    /// A share of the price, if the customer has one.
    pub discount: Option<f64>,
    /// Whatever else was said about it, by key.
    pub notes: BTreeMap<String, String>,
    /// Proof of who ordered, if there is one.
    #[serde(with = "serde_bytes")]
    pub signature: Option<Vec<u8>>,
}

/// A customer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Customer {
    /// Somebody without an account.
    Guest,
    /// Somebody with one.
    Registered {
        /// The account's name.
        name: String,
        /// In any order.
        tags: Vec<String>,
    },
}

/// Priced batch that comes out: as large as what went in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Priced {
    /// The orders, in the same order.
    pub orders: Vec<PricedOrder>,
    /// Articles without a price, each once.
    pub unknown: Vec<String>,
}

/// An order and what it costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PricedOrder {
    /// As it went in.
    pub order: Order,
    /// In cents, rounded down.
    pub total: u64,
}

/// Prices the orders of a batch.
#[export]
#[must_use]
pub fn serialize_deserialize(batch: Batch) -> Priced {
    let Batch { orders, prices } = batch;
    let mut unknown = Vec::new();
    let orders = orders.into_iter().map(|order| order.price(&prices, &mut unknown)).collect();
    unknown.sort();
    unknown.dedup();
    Priced { orders, unknown }
}

impl Order {
    fn price(self, prices: &BTreeMap<String, u32>, unknown: &mut Vec<String>) -> PricedOrder {
        let mut total = 0;
        for (article, count) in &self.items {
            match prices.get(article) {
                Some(price) => total += u64::from(*price) * u64::from(*count),
                None => unknown.push(article.clone()),
            }
        }
        if let Some(discount) = self.discount {
            total = (total as f64 * (1.0 - discount)) as u64;
        }
        PricedOrder { order: self, total }
    }
}

impl Batch {
    /// A batch of `count` orders that looks like real ones and is the same every time.
    #[must_use]
    pub fn example(count: u64) -> Self {
        const ARTICLES: [&str; 6] =
            ["anchor", "bolt", "cable", "drill", "washer M4", "\"special\""];
        let prices = (100..).step_by(37).zip(&ARTICLES[..5]);
        let prices = prices.map(|(price, article)| ((*article).to_owned(), price)).collect();
        let order = |id: u64| {
            let customer = match id % 3 {
                0 => Customer::Guest,
                _ => Customer::Registered {
                    name: format!("customer {}", id * 7919 % 1000),
                    tags: vec!["trade".to_owned(); usize::from(id.is_multiple_of(2))],
                },
            };
            let articles = ARTICLES.iter().cycle().skip(usize::try_from(id % 6).unwrap_or(0));
            let items = articles.take(4).zip(1..).map(|(article, n)| ((*article).to_owned(), n));
            Order {
                id,
                customer,
                items: items.collect(),
                discount: (id.is_multiple_of(4)).then_some(0.125),
                notes: [("gift wrap".to_owned(), "yes".to_owned())]
                    .into_iter()
                    .take(usize::from(id.is_multiple_of(5)))
                    .collect(),
                signature: (id.is_multiple_of(2)).then(|| id.to_le_bytes().repeat(8)),
            }
        };
        Self { orders: (0..count).map(order).collect(), prices }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_add_up_and_discounts_apply() {
        let item = |article: &str, count| (article.to_owned(), count);
        let order = Order {
            id: 1,
            customer: Customer::Guest,
            items: vec![item("bolt", 3), item("gold", 1), item("gold", 1)],
            discount: Some(0.5),
            notes: BTreeMap::new(),
            signature: None,
        };
        let prices = [("bolt".to_owned(), 25)].into();
        let priced = serialize_deserialize(Batch { orders: vec![order.clone()], prices });
        assert_eq!(priced.orders, [PricedOrder { order, total: 37 }]);
        assert_eq!(priced.unknown, ["gold"]);
    }

    #[test]
    fn the_example_has_every_kind_of_order() {
        let batch = Batch::example(12);
        let guests = batch.orders.iter().filter(|order| order.customer == Customer::Guest).count();
        assert_eq!((batch.orders.len(), guests), (12, 4));
        assert_eq!(serialize_deserialize(batch).unknown, ["\"special\""]);
    }
}
