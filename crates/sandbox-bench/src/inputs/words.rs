//! Text that looks like text: common words often, rare ones rarely.

use rand::RngExt;
use rand_pcg::Pcg64Mcg;

/// English words, in the order of how often they are to occur.
pub(super) const WORDS: [&str; 96] = [
    "the", "of", "and", "to", "a", "in", "is", "that", "it", "was", "for", "on", "are", "with",
    "as", "be", "at", "one", "have", "this", "from", "by", "not", "but", "what", "all", "were",
    "when", "there", "can", "each", "which", "do", "how", "if", "will", "other", "about", "many",
    "then", "them", "these", "so", "some", "would", "make", "into", "time", "look", "two", "more",
    "write", "see", "number", "way", "could", "people", "than", "first", "water", "call", "oil",
    "now", "find", "long", "down", "day", "come", "made", "part", "memory", "module", "engine",
    "compile", "measure", "sandbox", "barrier", "harbour", "lantern", "copper", "granite",
    "meadow", "orchard", "parcel", "quarry", "ribbon", "saddle", "timber", "velvet", "walnut",
    "anchor", "bracket", "chimney", "drawer", "ember", "furnace",
];

/// So many words, the first with a capital, and a full stop.
pub(super) fn sentence(random: &mut Pcg64Mcg, words: usize) -> String {
    let mut text = String::new();
    for at in 0..words {
        // The product of two numbers below 1 is small more often than not.
        let share = random.random_range(0.0..1.0_f64) * random.random_range(0.0..1.0);
        let word = WORDS[position(share)];
        if at == 0 {
            text.extend(word.chars().next().map(|first| first.to_ascii_uppercase()));
            text.push_str(&word[1..]);
        } else {
            text.push(' ');
            text.push_str(word);
        }
    }
    text.push('.');
    text
}

/// The place of a word, from a number between 0 and 1.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 <= share < 1")]
fn position(share: f64) -> usize {
    ((share * WORDS.len() as f64) as usize).min(WORDS.len() - 1)
}
