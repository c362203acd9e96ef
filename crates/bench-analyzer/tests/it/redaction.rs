//! Takes out of reports what differs from machine to machine and from time to time.

/// Dates with times, and the machine.
pub(crate) fn redacted(text: &str) -> String {
    let is_date = |word: &str| word.len() == 10 && word.bytes().filter(|b| *b == b'-').count() == 2;
    let mut lines = Vec::new();
    for line in text.lines() {
        // The present day, and runs in the order in which files happened to be written. It may begin a sentence.
        let line = match line.split_once("irst seen in run:") {
            Some((before, after)) => {
                let rest = after.split_once(')').map_or("", |(_, rest)| rest);
                let rest = if rest.contains('|') { rest } else { "" };
                &format!("{before}irst seen in RUN (DATE){rest}")
            }
            None => line,
        };
        let words: Vec<&str> = line.split(' ').collect();
        let mut kept = Vec::new();
        let mut index = 0;
        while let Some(word) = words.get(index) {
            if is_date(word) {
                kept.push("DATE TIME");
                index += 1;
            } else {
                kept.push(word);
            }
            index += 1;
        }
        lines.push(kept.join(" "));
    }
    lines.join("\n")
}
