//! Queries that people ask of JSON documents: filter, group, sort.

use std::collections::BTreeMap;
use std::error::Error;

use serde_json::{Value, json};

/// Number of the largest groups that are listed.
const LISTED: usize = 20;

/// Reads a document with a list `orders` of objects, takes those with a `discount`, adds up what was ordered of
/// each article, and returns the articles that were ordered most.
///
/// # Errors
/// If the document is not JSON, or has no such list.
pub fn run(input: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let document: Value = serde_json::from_slice(input)?;
    let orders = document.pointer("/orders").and_then(Value::as_array).ok_or("no orders")?;
    let discounted = orders.iter().filter(|order| order["discount"].is_f64());
    let mut articles: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    let items = discounted.filter_map(|order| order["items"].as_array()).flatten();
    for item in items {
        if let (Some(article), Some(count)) = (item[0].as_str(), item[1].as_u64()) {
            let (orders, pieces) = articles.entry(article).or_default();
            *orders += 1;
            *pieces += count;
        }
    }
    let mut ranking: Vec<_> = articles.into_iter().collect();
    ranking.sort_by_key(|(article, (_, pieces))| (std::cmp::Reverse(*pieces), *article));
    ranking.truncate(LISTED);
    let ranking: Vec<Value> = ranking
        .into_iter()
        .map(|(article, (orders, pieces))| {
            let price = &document["prices"][article];
            json!({ "article": article, "orders": orders, "pieces": pieces, "price": price })
        })
        .collect();
    Ok(serde_json::to_vec_pretty(&ranking)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_discounted_orders_count() {
        let document = json!({
            "orders": [
                { "discount": 0.5, "items": [["bolt", 3], ["nut", 4]] },
                { "discount": null, "items": [["bolt", 100]] },
                { "discount": 0.1, "items": [["bolt", 2]] },
            ],
            "prices": { "bolt": 7 },
        });
        let ranking = run(document.to_string().as_bytes()).unwrap();
        let ranking: Value = serde_json::from_slice(&ranking).unwrap();
        let expected = json!([
            { "article": "bolt", "orders": 2, "pieces": 5, "price": 7 },
            { "article": "nut", "orders": 1, "pieces": 4, "price": null },
        ]);
        assert_eq!(ranking, expected);
    }

    #[test]
    fn a_document_without_orders_is_an_error() {
        assert_eq!(run(b"{}").unwrap_err().to_string(), "no orders");
        assert!(run(b"{").is_err());
    }
}
