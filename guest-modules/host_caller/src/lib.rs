//! Calls functions of its host with everything that can travel, and returns what comes back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A value with everything that formats treat differently.
#[derive(Serialize, Deserialize)]
pub struct Item {
    /// Text.
    pub name: String,
    /// A number that may be missing.
    pub price: Option<f64>,
    /// A map.
    pub tags: BTreeMap<String, u32>,
}

#[sandbox_guest::import(module = "host")]
extern "C" {
    fn add(a: u32, b: i64) -> i64;
    fn half(x: f64) -> f64;
    fn is_even(x: u8) -> bool;
    fn tick();
    /// Bytes, reversed.
    fn reversed(bytes: &[u8]) -> Vec<u8>;
    fn reversed_owned(bytes: Vec<u8>) -> Vec<u8>;
    fn shout(text: &str) -> String;
    fn greeting() -> String;
    fn note(text: String);
    /// The item with one tag more.
    fn tagged(item: &Item, tag: &str, count: u32) -> Item;
    fn price_of(article: &str) -> Result<f64, String>;
    fn sum_of(numbers: Vec<i64>) -> i64;
    #[link_name = "wait-for"]
    fn wait_for(milliseconds: u32) -> String;
}

/// Numbers of several types, through registers.
#[sandbox_guest::export]
fn numbers(a: u32, b: i64) -> f64 {
    tick();
    let even = is_even((a % 256) as u8);
    half(add(a, b) as f64) + if even { 0.5 } else { 0.0 }
}

/// Bytes there and back, in both kinds of ownership.
#[sandbox_guest::export]
fn twice_reversed(bytes: &[u8]) -> Vec<u8> {
    reversed_owned(reversed(bytes))
}

/// Bytes there and back once.
#[sandbox_guest::export]
fn once_reversed(bytes: &[u8]) -> Vec<u8> {
    reversed(bytes)
}

/// Text there and back.
#[sandbox_guest::export]
fn shouted(text: &str) -> String {
    note(format!("about to shout {text}"));
    format!("{} {}", greeting(), shout(text))
}

/// A value there and back, with others beside it.
#[sandbox_guest::export]
fn with_tags(item: Item, tags: Vec<String>) -> Item {
    (0..).zip(tags).fold(item, |item, (count, tag)| tagged(&item, &tag, count))
}

/// Handles an error that the host returns to it.
#[sandbox_guest::export]
fn total(articles: Vec<String>) -> Result<f64, String> {
    articles.iter().map(|article| price_of(article)).sum()
}

/// Asks for a price, with the error as text.
#[sandbox_guest::export]
fn price_in_words(article: &str) -> String {
    match price_of(article) {
        Ok(price) => format!("{article} costs {price}"),
        Err(reason) => format!("{article} has no price: {reason}"),
    }
}

/// A value out of a function of numbers, which has no format of its own.
#[sandbox_guest::export]
fn sum_up_to(n: u32) -> i64 {
    sum_of((0..=i64::from(n)).collect())
}

/// Calls a function that waits.
#[sandbox_guest::export]
fn waited(milliseconds: u32) -> String {
    wait_for(milliseconds)
}

/// A stream whose chunks the host reverses.
#[sandbox_guest::export]
fn reverse_chunks(chunk: Option<&[u8]>) -> Vec<u8> {
    match chunk {
        Some(bytes) => reversed(bytes),
        None => sum_of(vec![1, 2, 3]).to_le_bytes().to_vec(),
    }
}
