//! The packaging says what the program says: checked without an engine to run it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

fn yaml(path: &str) -> Value {
    serde_norway::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn variables(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'))
        .filter(|word| word.starts_with("FORECOURT_") || *word == "DATABASE_URL")
        .map(ToOwned::to_owned)
        .collect()
}

#[test]
fn compose_runs_every_role_with_commands_and_variables_that_exist() {
    let compose = yaml("compose.yaml");
    let services = compose["services"].as_object().unwrap();
    for wanted in [
        "postgres", "redis", "s3", "sftp", "migrate", "serve", "work", "schedule",
    ] {
        assert!(services.contains_key(wanted), "{wanted}");
    }
    let help = Command::new(env!("CARGO_BIN_EXE_forecourt"))
        .arg("--help")
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for role in ["migrate", "serve", "work", "schedule"] {
        let command = services[role]["command"][0].as_str().unwrap();
        assert_eq!(command, role);
        let known = help
            .lines()
            .any(|line| line.split_whitespace().next() == Some(command));
        assert!(known, "{command} is no command");
    }
    for (name, service) in services {
        for needed in service["depends_on"].as_object().into_iter().flatten() {
            assert!(services.contains_key(needed.0), "{name} needs {}", needed.0);
        }
    }
    // What a container is told, the program must know: the README's table is compared with the code elsewhere.
    let readme = variables(&fs::read_to_string("README.md").unwrap());
    for file in ["compose.yaml", "Dockerfile", "deploy/env.example"] {
        let named = variables(&fs::read_to_string(file).unwrap());
        assert!(
            named.is_subset(&readme),
            "{file}: {:?}",
            named.difference(&readme)
        );
    }
    let asked = fs::read_to_string("deploy/env.example").unwrap();
    let text = fs::read_to_string("compose.yaml").unwrap();
    for part in text.split("${").skip(1) {
        let name = part.split([':', '}']).next().unwrap();
        assert!(
            asked.contains(&format!("{name}=")),
            "{name} is not in deploy/env.example"
        );
    }
}

#[test]
fn the_image_is_built_with_the_toolchain_of_the_repository() {
    let docker = fs::read_to_string("Dockerfile").unwrap();
    let toolchain = fs::read_to_string("rust-toolchain.toml").unwrap();
    let version = toolchain.split('"').nth(1).unwrap();
    assert!(docker.contains(&format!("rust:{version}-")), "{version}");
    assert!(
        docker.contains("USER 10001"),
        "the image must not run as root"
    );
    for line in docker
        .lines()
        .filter(|line| line.starts_with("COPY") && !line.contains("--from"))
    {
        for path in line
            .split_whitespace()
            .skip(1)
            .take_while(|path| !path.starts_with('/'))
        {
            assert!(
                path == "." || fs::exists(path).unwrap(),
                "{path} is not there"
            );
        }
    }
}

#[test]
fn the_workflow_runs_the_gate() {
    let ci = yaml(".github/workflows/ci.yaml");
    let steps = ci["jobs"]["gate"]["steps"].as_array().unwrap();
    assert!(steps.iter().any(|step| step["run"] == ".ci/run"));
    assert_eq!(ci["permissions"]["contents"], "read");
}
