//! A nested data set as services exchange it.

use std::collections::BTreeMap;

use rand::{Rng, RngExt};
use rand_pcg::Pcg64Mcg;
use serialization::{Batch, Customer, Order};

use super::generator;
use super::words::{WORDS, sentence};

/// Number of articles that have a price.
const ARTICLES: usize = 120;

/// So many orders: text of varying length, numbers of all sizes, options, maps, and bytes.
pub fn orders(count: u64) -> Batch {
    let mut random = generator();
    let articles: Vec<String> = (0..ARTICLES).map(|number| article(&mut random, number)).collect();
    let prices = articles.iter().map(|article| (article.clone(), random.random_range(5..200_000)));
    let prices = prices.collect();
    let orders = (0..count).map(|number| order(&mut random, number, &articles)).collect();
    Batch { orders, prices }
}

fn article(random: &mut Pcg64Mcg, number: usize) -> String {
    format!("{}-{number:04}", word(random))
}

fn order(random: &mut Pcg64Mcg, number: u64, articles: &[String]) -> Order {
    let customer = if random.random_ratio(1, 4) {
        Customer::Guest
    } else {
        let tags = random.random_range(0..4);
        Customer::Registered {
            name: format!("{} {} \"{number}\"", word(random), word(random)),
            tags: (0..tags).map(|_| word(random).to_owned()).collect(),
        }
    };
    let lines = random.random_range(1..12);
    let items = (0..lines).map(|_| {
        let article = articles[random.random_range(0..articles.len())].clone();
        (article, random.random_range(1..100))
    });
    let items = items.collect();
    let notes = random.random_range(0..4);
    let notes: BTreeMap<String, String> = (0..notes)
        .map(|_| {
            let length = random.random_range(3..20);
            (word(random).to_owned(), sentence(random, length))
        })
        .collect();
    Order {
        id: random.next_u64() >> random.random_range(0..64),
        customer,
        items,
        // Whole percents, as in life; and JSON keeps them to the last bit.
        discount: random
            .random_ratio(1, 3)
            .then(|| f64::from(random.random_range(1..50_u8)) / 100.0),
        notes,
        signature: random.random_ratio(1, 2).then(|| {
            let mut signature = vec![0; 64];
            random.fill_bytes(&mut signature);
            signature
        }),
    }
}

fn word(random: &mut Pcg64Mcg) -> &'static str {
    WORDS[random.random_range(0..WORDS.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_the_same_each_time_and_have_every_shape() {
        let batch = orders(300);
        assert_eq!(batch, orders(300));
        let has = |shape: fn(&Order) -> bool| {
            let count = batch.orders.iter().filter(|order| shape(order)).count();
            assert!((20..=280).contains(&count), "{count} of 300");
        };
        has(|order| order.customer == Customer::Guest);
        has(|order| order.discount.is_some());
        has(|order| order.signature.is_some());
        has(|order| order.notes.is_empty());
        has(|order| order.id > u64::from(u32::MAX));
    }
}
