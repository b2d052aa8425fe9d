//! Reads a source file into what the rules look at: paths, functions, attributes, macros and the word `unsafe`.
//!
//! It works on tokens, so strings and comments never count and the inside of a macro does. It resolves no names.

use std::{ops::RangeInclusive, str::FromStr as _};

use proc_macro2::{Delimiter, Group, LexError, TokenStream, TokenTree};

/// What one file holds, in the order of its lines.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) paths: Vec<Found<Vec<String>>>,
    pub(super) functions: Vec<Found<Function>>,
    /// The first word of every attribute, and `allow` for each `allow(…)` inside one.
    pub(super) attributes: Vec<Found<String>>,
    pub(super) macros: Vec<Found<String>>,
    pub(super) unsafes: Vec<Found<()>>,
    /// The lines of items that exist only in tests.
    pub(super) tests: Vec<RangeInclusive<usize>>,
    /// The modules of tests that are files of their own.
    pub(super) test_modules: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Found<T> {
    pub(super) line: usize,
    pub(super) in_test: bool,
    pub(super) what: T,
}

#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) lines: usize,
}

impl<T> Found<T> {
    fn mark(&mut self) {
        self.in_test = true;
    }
}

impl Scan {
    pub(super) fn of(text: &str) -> Result<Self, LexError> {
        let mut scan = Self::default();
        scan.walk(TokenStream::from_str(text)?, false);
        Ok(scan)
    }

    /// Takes the whole file as one of tests.
    pub(super) fn mark_as_tests(&mut self) {
        let Self {
            paths,
            functions,
            attributes,
            macros,
            unsafes,
            tests,
            test_modules: _,
        } = self;
        paths.iter_mut().for_each(Found::mark);
        functions.iter_mut().for_each(Found::mark);
        attributes.iter_mut().for_each(Found::mark);
        macros.iter_mut().for_each(Found::mark);
        unsafes.iter_mut().for_each(Found::mark);
        tests.push(1..=usize::MAX);
    }

    fn walk(&mut self, stream: TokenStream, in_test: bool) {
        let tokens = stream.into_iter().collect::<Vec<_>>();
        // Where an attribute made the item that follows one of tests only.
        let mut test_from = None;
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            let in_test = in_test || test_from.is_some();
            at += match token {
                TokenTree::Punct(punct) if punct.as_char() == '#' => match attribute(&tokens, at) {
                    Some((group, len)) => {
                        if self.attribute(group, in_test) {
                            test_from.get_or_insert(group.span().start().line);
                        }
                        len
                    }
                    None => 1,
                },
                TokenTree::Ident(_) => self.word(&tokens, at, in_test),
                TokenTree::Group(group) => {
                    self.walk(group.stream(), in_test);
                    if group.delimiter() == Delimiter::Brace {
                        self.end_test(&mut test_from, group.span_close().end().line);
                    }
                    1
                }
                TokenTree::Punct(punct) if punct.as_char() == ';' => {
                    self.end_test(&mut test_from, punct.span().end().line);
                    1
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => 1,
            };
        }
    }

    /// Handles what begins with a word; gives the number of tokens that are done with.
    fn word(&mut self, tokens: &[TokenTree], at: usize, in_test: bool) -> usize {
        let Some(word) = word_at(tokens, at) else { return 1 };
        let line = tokens.get(at).map_or(0, |token| token.span().start().line);
        if word == "unsafe" {
            self.unsafes.push(Found {
                line,
                in_test,
                what: (),
            });
        }
        if word == "mod"
            && in_test
            && is_punct(tokens, at + 2, ';')
            && let Some(name) = word_at(tokens, at + 1)
        {
            self.test_modules.push(name);
        }
        if word == "fn"
            && let Some(function) = function(tokens, at)
        {
            self.functions.push(Found {
                line,
                in_test,
                what: function,
            });
        }
        let follows_dot = at.checked_sub(1).is_some_and(|before| is_punct(tokens, before, '.'));
        if KEYWORDS_BEFORE_PATHS.contains(&word.as_str()) || follows_dot {
            return 1;
        }
        let mut paths = Vec::new();
        let len = read_path(tokens, at, &[], &mut paths).max(1);
        if is_punct(tokens, at + len, '!')
            && let Some(name) = paths.first().and_then(|path| path.last())
        {
            self.macros.push(Found {
                line,
                in_test,
                what: name.clone(),
            });
        }
        self.paths
            .extend(paths.into_iter().map(|what| Found { line, in_test, what }));
        len
    }

    /// Notes an attribute; whether it makes its item one of tests only.
    fn attribute(&mut self, group: &Group, in_test: bool) -> bool {
        let tokens = group.stream().into_iter().collect::<Vec<_>>();
        let Some(first) = word_at(&tokens, 0) else { return false };
        let line = group.span().start().line;
        let for_tests =
            tokens.iter().any(|token| is_word(token, "test")) || first == "cfg" && has_cfg_test(&group.stream());
        if first != "allow" && has_call(&group.stream(), "allow") {
            self.attributes.push(Found {
                line,
                in_test,
                what: "allow".to_owned(),
            });
        }
        self.attributes.push(Found {
            line,
            in_test,
            what: first,
        });
        for_tests
    }

    fn end_test(&mut self, from: &mut Option<usize>, to: usize) {
        if let Some(from) = from.take() {
            self.tests.push(from..=to);
        }
    }
}

/// The group of the attribute that starts here, and the number of its tokens.
fn attribute(tokens: &[TokenTree], at: usize) -> Option<(&Group, usize)> {
    let skip = if is_punct(tokens, at + 1, '!') { 2 } else { 1 };
    match tokens.get(at + skip)? {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => Some((group, skip + 1)),
        TokenTree::Group(_) | TokenTree::Ident(_) | TokenTree::Literal(_) | TokenTree::Punct(_) => None,
    }
}

/// The function whose `fn` is here, if it has a name and a body.
fn function(tokens: &[TokenTree], at: usize) -> Option<Function> {
    let name = word_at(tokens, at + 1)?;
    let start = tokens.get(at)?.span().start().line;
    for token in tokens.iter().skip(at) {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == ';' => return None,
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                return Some(Function {
                    name,
                    lines: group.span_close().end().line + 1 - start,
                });
            }
            TokenTree::Group(_) | TokenTree::Ident(_) | TokenTree::Literal(_) | TokenTree::Punct(_) => {}
        }
    }
    None
}

/// Reads `a::b::c` or the use tree `a::{b, c::d}` from here; gives the number of its tokens.
fn read_path(tokens: &[TokenTree], at: usize, prefix: &[String], paths: &mut Vec<Vec<String>>) -> usize {
    let mut path = prefix.to_vec();
    let mut next = at;
    while let Some(token) = tokens.get(next) {
        match token {
            TokenTree::Ident(ident) => path.push(ident.to_string()),
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace && next > at => {
                read_branches(group, &path, paths);
                return next + 1 - at;
            }
            TokenTree::Group(_) | TokenTree::Literal(_) | TokenTree::Punct(_) => break,
        }
        next += 1;
        if !(is_punct(tokens, next, ':') && is_punct(tokens, next + 1, ':')) {
            break;
        }
        next += 2;
    }
    if path.len() > prefix.len() {
        paths.push(path);
    }
    next - at
}

fn read_branches(group: &Group, prefix: &[String], paths: &mut Vec<Vec<String>>) {
    let tokens = group.stream().into_iter().collect::<Vec<_>>();
    for branch in tokens.split(|token| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',')) {
        read_path(branch, 0, prefix, paths);
    }
}

fn word_at(tokens: &[TokenTree], at: usize) -> Option<String> {
    match tokens.get(at)? {
        TokenTree::Ident(ident) => Some(ident.to_string()),
        TokenTree::Group(_) | TokenTree::Literal(_) | TokenTree::Punct(_) => None,
    }
}

fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == word)
}

fn is_punct(tokens: &[TokenTree], at: usize, character: char) -> bool {
    matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == character)
}

/// Whether `word(…)` stands anywhere inside.
fn has_call(stream: &TokenStream, word: &str) -> bool {
    let tokens = stream.clone().into_iter().collect::<Vec<_>>();
    tokens.iter().enumerate().any(|(at, token)| match token {
        TokenTree::Ident(ident) => ident == word && matches!(tokens.get(at + 1), Some(TokenTree::Group(_))),
        TokenTree::Group(group) => has_call(&group.stream(), word),
        TokenTree::Literal(_) | TokenTree::Punct(_) => false,
    })
}

/// Whether a `cfg` holds only in tests: `test`, or `all(…)` or `any(…)` around it, but not `not(test)`.
fn has_cfg_test(stream: &TokenStream) -> bool {
    let tokens = stream.clone().into_iter().collect::<Vec<_>>();
    tokens.iter().enumerate().any(|(at, token)| match token {
        TokenTree::Group(group) => {
            let negated = at
                .checked_sub(1)
                .and_then(|before| tokens.get(before))
                .is_some_and(|t| is_word(t, "not"));
            !negated && has_cfg_test(&group.stream())
        }
        TokenTree::Ident(ident) => ident == "test",
        TokenTree::Literal(_) | TokenTree::Punct(_) => false,
    })
}

/// Words that a path may follow without being part of it.
const KEYWORDS_BEFORE_PATHS: [&str; 16] = [
    "as", "dyn", "else", "fn", "for", "if", "impl", "in", "let", "match", "mod", "mut", "pub", "return", "unsafe",
    "use",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &str) -> Vec<String> {
        Scan::of(text)
            .unwrap()
            .paths
            .into_iter()
            .map(|found| found.what.join("::"))
            .filter(|p| p.contains("::"))
            .collect()
    }

    #[test]
    fn a_use_tree_becomes_one_path_for_each_leaf() {
        assert_eq!(
            paths("use std::{fs, io::{self, Read}, time::Instant as T};"),
            ["std::fs", "std::io::self", "std::io::Read", "std::time::Instant"]
        );
    }

    #[test]
    fn paths_in_code_and_in_macros_are_found_and_strings_and_comments_are_not() {
        assert_eq!(
            paths("fn f() { aya::load(); log!(crate::kernel::X, \"std::fs\"); } // std::io"),
            ["aya::load", "crate::kernel::X"]
        );
    }

    #[test]
    fn a_function_has_the_lines_from_its_fn_to_its_brace() {
        let scan = Scan::of("impl X {\n  pub fn a(&self) -> u8 {\n    1\n  }\n  fn b(&self);\n}").unwrap();
        let functions = scan
            .functions
            .iter()
            .map(|f| (f.what.name.as_str(), f.what.lines))
            .collect::<Vec<_>>();
        assert_eq!(functions, [("a", 3)]);
    }

    #[test]
    fn what_only_tests_have_is_marked() {
        let scan =
            Scan::of("fn a() {}\n#[cfg(test)]\nmod tests {\n  fn b() {}\n}\n#[cfg(not(test))]\nfn c() {}").unwrap();
        let marks = scan
            .functions
            .iter()
            .map(|f| (f.what.name.as_str(), f.in_test))
            .collect::<Vec<_>>();
        assert_eq!(marks, [("a", false), ("b", true), ("c", false)]);
        assert_eq!(scan.tests, [2..=5]);
    }

    #[test]
    fn attributes_macros_and_unsafe_are_found_where_they_stand() {
        let scan =
            Scan::of("#![allow(x)]\n#[cfg_attr(y, allow(z))]\n#[ignore]\nfn f() { todo!(); unsafe { g() } }").unwrap();
        let attributes = scan
            .attributes
            .iter()
            .map(|a| (a.line, a.what.as_str()))
            .collect::<Vec<_>>();
        assert_eq!(attributes, [(1, "allow"), (2, "allow"), (2, "cfg_attr"), (3, "ignore")]);
        assert_eq!(scan.macros.first().map(|m| m.what.as_str()), Some("todo"));
        assert_eq!(scan.unsafes.iter().map(|u| u.line).collect::<Vec<_>>(), [4]);
    }

    #[test]
    fn an_unsafe_attribute_is_no_unsafe_code() {
        assert_eq!(
            Scan::of("#[unsafe(no_mangle)]\nstatic X: u8 = 0;")
                .unwrap()
                .unsafes
                .len(),
            0
        );
    }
}
