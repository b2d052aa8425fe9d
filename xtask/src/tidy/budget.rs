//! How long files and functions may be. Tests count apart: a file's tests have the same budget again.

use super::{Problem, scan::Scan};

pub(super) fn check(file: &str, text: &str, scan: &Scan) -> Vec<Problem> {
    let mut problems = Vec::new();
    let (mut own, mut tests, mut code) = (0, 0, 0);
    for (number, line) in (1..).zip(text.lines()) {
        if scan.tests.iter().any(|lines| lines.contains(&number)) {
            tests += 1;
        } else {
            own += 1;
            code += usize::from(!line.trim().is_empty() && !line.trim_start().starts_with("//"));
        }
    }
    for (lines, part) in [(own, "lines"), (tests, "lines of tests")] {
        if lines > FILE {
            problems.push(Problem::new(
                file,
                1,
                format!("{lines} {part}; a file has at most {FILE}: split it"),
            ));
        }
    }
    if let Some((_, budget)) = CODE
        .iter()
        .find(|(place, _)| file.starts_with(place))
        .filter(|(_, budget)| code > *budget)
    {
        problems.push(Problem::new(
            file,
            1,
            format!("{code} lines of code; here a file has at most {budget}: split it"),
        ));
    }
    for function in scan.functions.iter().filter(|function| !function.in_test) {
        let (name, lines) = (&function.what.name, function.what.lines);
        if lines > FUNCTION && !FLAT.iter().any(|(place, long, _)| (*place, *long) == (file, name)) {
            let what = format!("fn {name} has {lines} lines; a function has at most {FUNCTION}: split it");
            problems.push(Problem::new(file, function.line, what));
        }
    }
    problems
}

const FILE: usize = 700;
const FUNCTION: usize = 80;
/// Longer functions that a split would only hide: one flat table each, and the reason.
const FLAT: [(&str, &str, &str); 1] = [(
    "tracer-user/src/sink/jsont/evidence.rs",
    "new",
    "a match with one plain arm for each kind of evidence",
)];
/// Places with a tighter budget, in lines of code.
const CODE: [(&str, usize); 3] = [
    ("tracer-ebpf/src/", 150),
    ("tracer-user/src/main.rs", 60),
    ("xtask/src/main.rs", 60),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(file: &str, text: &str) -> usize {
        check(file, text, &Scan::of(text).unwrap()).len()
    }

    fn lines(count: usize) -> String {
        "static X: u8 = 0;\n".repeat(count)
    }

    #[test]
    fn a_file_may_have_its_budget_and_the_same_again_in_tests() {
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", lines(FILE - 3));
        assert_eq!(problems("tracer-user/src/x.rs", &(lines(FILE) + &tests)), 0);
        assert_eq!(problems("tracer-user/src/x.rs", &lines(FILE + 1)), 1);
    }

    #[test]
    fn an_ebpf_file_and_a_main_have_less_and_comments_are_free() {
        assert_eq!(problems("tracer-ebpf/src/x.rs", &(lines(150) + "// why\n\n")), 0);
        assert_eq!(problems("tracer-ebpf/src/x.rs", &lines(151)), 1);
        assert_eq!(problems("tracer-user/src/main.rs", &lines(61)), 1);
    }

    #[test]
    fn a_function_of_the_table_may_be_longer_and_its_neighbours_may_not() {
        let (file, name, _) = FLAT[0];
        let function = |name: &str| format!("fn {name}() {{\n{}}}\n", "g();\n".repeat(FUNCTION));
        assert_eq!(problems(file, &function(name)), 0);
        assert_eq!(problems(file, &function("other")), 1);
    }

    #[test]
    fn a_long_function_is_found_unless_it_is_a_test() {
        let function = format!("fn f() {{\n{}}}\n", "g();\n".repeat(FUNCTION));
        assert_eq!(problems("tracer-user/src/x.rs", &function), 1);
        assert_eq!(problems("tracer-user/src/x.rs", &format!("#[test]\n{function}")), 0);
    }
}
