//! docs/CONFIG.md, made from the configuration's own types.

use std::fmt::Write as _;

use schemars::schema_for;
use serde_json::{Map, Value};

use crate::config::Config;

const OPENING: &str = "# Configuration

Trefoil needs none: without a file it serves this machine only, in development mode. A file is TOML, named by `--config`
or the environment variable `TREFOIL_CONFIG`; every setting may be left out. An unknown setting is an error, with its
line. `trefoil check --config FILE` says what is wrong and what would run.

This page is made from the configuration's types; a test keeps them equal
(`UPDATE=1 cargo test -p trefoil config_page` writes it anew).

A server for the world needs its URL, keys, a certificate, and its public address:

```toml
[server]
public_url = \"https://meet.example.org\"
keys = [{ key = \"my-app\", secret = \"at least 32 characters: openssl rand -hex 32\" }]

[https]
listen = [\"0.0.0.0:443\"]
certificate = \"/etc/trefoil/fullchain.pem\"
key = \"/etc/trefoil/privkey.pem\"

[relay]
listen = [\"0.0.0.0:3478\"]
external_addresses = [\"198.51.100.7\"]
```
";

/// The whole page.
pub(crate) fn page() -> String {
    let schema = schema_for!(Config).to_value();
    let defaults = serde_json::to_value(Config::default()).unwrap_or(Value::Null);
    let mut page = OPENING.to_owned();
    let definitions = schema
        .get("$defs")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    for (name, property) in properties(&schema) {
        table(
            &mut page,
            &definitions,
            name,
            property,
            defaults.get(name).unwrap_or(&Value::Null),
        );
    }
    page
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
}

/// The definition that a property stands for, if it is a table of its own, also one that may be left out.
fn resolved<'a>(definitions: &'a Map<String, Value>, property: &'a Value) -> &'a Value {
    let either = property
        .get("anyOf")
        .and_then(Value::as_array)
        .and_then(|all| all.first());
    let name = property
        .get("$ref")
        .or_else(|| either?.get("$ref"))
        .and_then(Value::as_str)
        .and_then(|path| path.rsplit('/').next());
    name.and_then(|name| definitions.get(name)).unwrap_or(property)
}

fn described(property: &Value, resolved: &Value) -> String {
    let own = property
        .get("description")
        .or_else(|| resolved.get("description"));
    own.and_then(Value::as_str)
        .unwrap_or_default()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// One table of settings, then the tables inside it.
fn table(
    page: &mut String,
    definitions: &Map<String, Value>,
    path: &str,
    property: &Value,
    defaults: &Value,
) {
    let schema = resolved(definitions, property);
    let _ = write!(
        page,
        "\n## [{path}]\n\n{}\n\n| setting | default | meaning |\n|---|---|---|\n",
        described(property, schema)
    );
    let mut inner = Vec::new();
    for (name, property) in properties(schema) {
        let target = resolved(definitions, property);
        let default = defaults.get(name).unwrap_or(&Value::Null);
        if target.get("properties").is_some() {
            inner.push((format!("{path}.{name}"), property, default));
        } else {
            let meaning = described(property, target).replace('|', "\\|");
            let _ = writeln!(page, "| `{name}` | {} | {meaning} |", shown(default));
        }
    }
    for (path, property, default) in inner {
        table(page, definitions, &path, property, default);
    }
}

/// A default as TOML would have it; a dash where a setting has none.
fn shown(default: &Value) -> String {
    match default {
        Value::Null => "-".to_owned(),
        Value::Array(list) if list.is_empty() => "`[]`".to_owned(),
        other => format!("`{other}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_config_page_is_what_the_types_say() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/CONFIG.md");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, page()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == page(),
            "docs/CONFIG.md is out of date: UPDATE=1 cargo test -p trefoil config_page"
        );
    }

    #[test]
    fn every_setting_says_what_it_means() {
        for line in page().lines().filter(|line| line.starts_with("| `")) {
            assert!(!line.ends_with("|  |"), "this setting has no doc comment: {line}");
        }
    }
}
