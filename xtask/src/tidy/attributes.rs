//! Attributes and macros that no file may have.

use super::{Problem, scan::Scan};

pub(super) fn check(file: &str, scan: &Scan) -> Vec<Problem> {
    let attributes = scan.attributes.iter().filter_map(|found| {
        let (_, why) = ATTRIBUTES.iter().find(|(name, _)| *name == found.what)?;
        Some(Problem::new(file, found.line, format!("#[{}]: {why}", found.what)))
    });
    let macros = scan.macros.iter().filter_map(|found| {
        let name = MACROS.iter().find(|name| **name == found.what)?;
        Some(Problem::new(
            file,
            found.line,
            format!("{name}!: unfinished code is not committed"),
        ))
    });
    attributes.chain(macros).collect()
}

const ATTRIBUTES: [(&str, &str); 2] = [
    (
        "allow",
        "use #[expect(lint, reason = \"...\")], which tells when it is not needed any more",
    ),
    (
        "ignore",
        "a test that does not run proves nothing; make it run or remove it",
    ),
];
const MACROS: [&str; 3] = ["dbg", "todo", "unimplemented"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allow_ignore_and_unfinished_code_are_found() {
        let scan = Scan::of("#[allow(dead_code)]\n#[ignore]\nfn f() {\n todo!()\n}").unwrap();
        let lines = check("a.rs", &scan)
            .iter()
            .map(|problem| problem.line)
            .collect::<Vec<_>>();
        assert_eq!(lines, [1, 2, 4]);
    }

    #[test]
    fn expect_and_the_same_words_in_strings_are_fine() {
        let scan = Scan::of("#[expect(dead_code, reason = \"allow(x)\")]\nfn f() { g(\"todo!()\") }").unwrap();
        assert_eq!(check("a.rs", &scan), []);
    }
}
