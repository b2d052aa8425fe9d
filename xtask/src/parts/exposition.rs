//! The samples of a text of metrics.

use std::collections::BTreeMap;

use anyhow::Context as _;

/// A metric's name (`__name__`) and its labels.
pub(super) type Series = BTreeMap<String, String>;

/// Every sample, with its value as it is written.
pub(super) fn samples(text: &str) -> anyhow::Result<BTreeMap<Series, f64>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| sample(line).with_context(|| format!("no sample: {line}")))
        .collect()
}

fn sample(line: &str) -> Option<(Series, f64)> {
    let (name, mut rest) = line.split_at(line.find(['{', ' '])?);
    let mut series = Series::from([("__name__".to_owned(), name.to_owned())]);
    if let Some(mut labels) = rest.strip_prefix('{') {
        while !labels.starts_with('}') {
            let (name, quoted) = labels.trim_start_matches(',').split_once("=\"")?;
            let (value, after) = unquoted(quoted)?;
            series.insert(name.to_owned(), value);
            labels = after;
        }
        rest = labels.strip_prefix('}')?;
    }
    Some((series, rest.trim().parse().ok()?))
}

/// What stands before the closing quote, and what follows it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_with_their_escapes() {
        let read = samples("# HELP a b\na{x=\"1\\\"},{\\\\\\n\",y=\"\"} 2.5\nb 3\n").unwrap();
        let series = |pairs: &[(&str, &str)]| {
            let pairs = pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            pairs.collect::<Series>()
        };
        let expected = [
            (series(&[("__name__", "a"), ("x", "1\"},{\\\n"), ("y", "")]), 2.5),
            (series(&[("__name__", "b")]), 3.0),
        ];
        assert_eq!(read, BTreeMap::from(expected));
        assert!(samples("a{x=\"1} 2").is_err());
    }
}
