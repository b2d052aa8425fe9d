//! One run of `conntracer demo`: what it wrote, understood.

use std::{collections::BTreeMap, ffi::OsString, process::Command};

use serde_json::Value;

use super::{
    corpus::Case,
    judged::{After, Found, Judged, Run},
};

/// Runs it to its end.
pub(super) fn run(program: &[OsString], case: &Case) -> Judged {
    let run = match start(program, case) {
        Err(error) => Err(format!("cannot start it: {error}")),
        Ok(output) => {
            let told = String::from_utf8_lossy(&output.stderr);
            // 1 is a run that found something else.
            if matches!(output.status.code(), Some(0 | 1)) {
                understood(&String::from_utf8_lossy(&output.stdout), &told)
            } else {
                let last = told.lines().last().unwrap_or_default();
                Err(format!("{}: {last}", output.status))
            }
        }
    };
    Judged {
        case: case.clone(),
        run,
    }
}

fn start(program: &[OsString], case: &Case) -> std::io::Result<std::process::Output> {
    let mut words = program.iter();
    let mut command = Command::new(words.next().cloned().unwrap_or_default());
    command.args(words).args(["demo", &case.scenario, "--json"]);
    command.args(["--backend", &case.backend, "--family", &case.family]);
    command.output()
}

/// What stands in the end, of the results and of the narration.
fn understood(results: &str, told: &str) -> Result<Run, String> {
    let mut last: BTreeMap<u64, Value> = BTreeMap::new();
    let (mut ended, mut taken_back) = (false, Vec::new());
    for line in results.lines() {
        let line: Value = serde_json::from_str(line).map_err(|error| format!("a line of its output: {error}"))?;
        ended |= line["type"] == "summary";
        let (true, Some(id)) = (line["type"] == "finding", line["id"].as_u64()) else {
            continue;
        };
        if line["state"] == "retracted" {
            last.remove(&id);
            taken_back.push(text(&line, "cause"));
        } else {
            last.insert(id, line);
        }
    }
    if !ended {
        return Err("its output has no summary".to_owned());
    }
    let found = last.values().map(|finding| found(finding, told)).collect();
    Ok(Run { found, taken_back })
}

fn found(finding: &Value, told: &str) -> Found {
    let cause = text(finding, "cause");
    Found {
        after: told.lines().find_map(|line| after(line, &cause)),
        informs: finding["severity"] == "info",
        confidence: text(finding, "confidence"),
        cause,
    }
}

fn text(line: &Value, field: &str) -> String {
    line[field].as_str().unwrap_or_default().to_owned()
}

/// Of a line such as `demo: found syn-dropped (proved) 1010 ms after the hang began`.
fn after(line: &str, cause: &str) -> Option<After> {
    let rest = line.strip_prefix("demo: found ")?.strip_prefix(cause)?;
    let (_, when) = rest.strip_prefix(" (")?.split_once(") ")?;
    let (millis, when) = when.split_once(" ms ")?;
    let millis: i64 = millis.parse().ok()?;
    match when {
        "after the hang began" => Some(After::Hang(millis)),
        "after the error" => Some(After::Error(millis)),
        "before the error" => Some(After::Error(-millis)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESULTS: &str = r#"{"type":"hello"}
{"type":"finding","id":1,"revision":0,"cause":"unanswered","state":"open","severity":"warning","confidence":"likely"}
{"type":"finding","id":1,"revision":1,"cause":"unanswered","state":"retracted","severity":"warning","confidence":"likely"}
{"type":"finding","id":2,"revision":0,"cause":"syn-dropped","state":"open","severity":"warning","confidence":"likely"}
{"type":"finding","id":2,"revision":1,"cause":"syn-dropped","state":"closed","severity":"warning","confidence":"proved"}
{"type":"summary"}"#;

    #[test]
    fn the_last_revision_of_what_was_not_taken_back_counts() {
        let told = "demo: app still waits\ndemo: found syn-dropped (proved) 1010 ms after the hang began\n";
        let run = understood(RESULTS, told).unwrap();
        let [found] = &run.found[..] else { panic!("{run:?}") };
        assert_eq!(
            (&*found.cause, &*found.confidence, found.informs),
            ("syn-dropped", "proved", false)
        );
        assert_eq!(found.after, Some(After::Hang(1010)));
        assert_eq!(run.taken_back, ["unanswered"]);
    }

    #[test]
    fn output_that_breaks_off_is_no_run() {
        let cut = RESULTS.strip_suffix("{\"type\":\"summary\"}").unwrap();
        assert!(understood(cut, "").is_err());
        assert!(understood("{\"type\":\"fin", "").is_err());
    }

    #[test]
    fn the_narration_tells_how_soon() {
        let soon = |line| after(line, "reset-by-peer");
        assert_eq!(
            soon("demo: found reset-by-peer (likely) 12 ms after the error"),
            Some(After::Error(12))
        );
        assert_eq!(
            soon("demo: found reset-by-peer (likely) 5 ms before the error"),
            Some(After::Error(-5))
        );
        assert_eq!(soon("demo: found reset-by-peer (likely)"), None);
        assert_eq!(soon("demo: found syn-dropped (likely) 5 ms after the error"), None);
    }
}
