//! Which runs there are: what the demo has to offer, in each of its forms.

use std::{path::Path, process::Command};

use anyhow::{Context as _, bail};
use serde::Deserialize;

use crate::process::required_output_of;

/// A line of `conntracer demo --list --json`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Scenario {
    pub(super) name: String,
    /// `None`: a control.
    pub(super) expected: Option<String>,
    backends: Vec<String>,
    families: Vec<String>,
}

/// A scenario in one form.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) scenario: String,
    pub(super) expected: Option<String>,
    pub(super) backend: String,
    pub(super) family: String,
}

/// All, or those of the named scenarios.
pub(super) fn cases(program: &Path, names: &[String]) -> anyhow::Result<Vec<Case>> {
    let list = required_output_of(Command::new(program).args(["demo", "--list", "--json"]))?;
    let mut scenarios = parse(&list)?;
    if let Some(unknown) = names
        .iter()
        .find(|name| !scenarios.iter().any(|known| known.name == **name))
    {
        bail!("there is no scenario `{unknown}`; see conntracer demo --list");
    }
    scenarios.retain(|scenario| names.is_empty() || names.contains(&scenario.name));
    Ok(scenarios.iter().flat_map(forms).collect())
}

fn parse(list: &str) -> anyhow::Result<Vec<Scenario>> {
    let line = |line| serde_json::from_str(line).with_context(|| format!("a line of the list of scenarios: {line}"));
    let scenarios: Vec<_> = list.lines().map(line).collect::<Result<_, _>>()?;
    if scenarios.is_empty() {
        bail!("the list of scenarios is empty");
    }
    Ok(scenarios)
}

fn forms(scenario: &Scenario) -> impl Iterator<Item = Case> + '_ {
    let with = |backend: &String, family: &String| Case {
        scenario: scenario.name.clone(),
        expected: scenario.expected.clone(),
        backend: backend.clone(),
        family: family.clone(),
    };
    let backends = scenario.backends.iter();
    backends.flat_map(move |backend| scenario.families.iter().map(move |family| with(backend, family)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_scenario_is_a_case() {
        let list = r#"{"name":"a","summary":"x","expected":"c","backends":["nft","xt"],"families":["ipv4","ipv6"],"peers":["kernel"]}
{"name":"b","summary":"y","backends":["nft"],"families":["ipv4"],"peers":["kernel"],"later":1}"#;
        let cases: Vec<_> = parse(list).unwrap().iter().flat_map(forms).collect();
        let named: Vec<_> = cases
            .iter()
            .map(|case| format!("{} {} {} {:?}", case.scenario, case.backend, case.family, case.expected))
            .collect();
        assert_eq!(
            named,
            [
                "a nft ipv4 Some(\"c\")",
                "a nft ipv6 Some(\"c\")",
                "a xt ipv4 Some(\"c\")",
                "a xt ipv6 Some(\"c\")",
                "b nft ipv4 None"
            ]
        );
        assert!(parse("").is_err());
        assert!(parse("not JSON").is_err());
    }
}
