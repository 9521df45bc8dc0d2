//! Pages of AppRTC's web client: `{{ name }}`, `{{ name | safe }}`, `{% if [not] name %} ... {% else %} ... {% endif %}`.

use std::collections::BTreeMap;

/// Fills a page in. What is not safe is escaped for HTML; a name that nobody knows is nothing; what is no tag stays.
#[must_use]
pub fn render(page: &str, values: &BTreeMap<&str, String>) -> String {
    let mut out = String::with_capacity(page.len());
    // For each `if` that is open: whether what is inside is wanted, with all those around it.
    let mut wanted = vec![true];
    let mut rest = page;
    while let Some(start) = rest.find('{') {
        let (before, tail) = rest.split_at(start);
        let inside = wanted.last().copied().unwrap_or(true);
        if inside {
            out.push_str(before);
        }
        let (close, is_value) = match tail.get(..2) {
            Some("{{") => ("}}", true),
            Some("{%") => ("%}", false),
            _ => {
                if inside {
                    out.push('{');
                }
                rest = tail.get(1..).unwrap_or_default();
                continue;
            }
        };
        let Some(end) = tail.find(close) else {
            if inside {
                out.push_str(tail);
            }
            return out;
        };
        let tag = tail.get(2..end).unwrap_or_default().trim();
        if !is_value {
            decide(tag, values, &mut wanted);
        } else if inside {
            value(tag, values, &mut out);
        }
        rest = tail.get(end + 2..).unwrap_or_default();
    }
    if wanted.last().copied().unwrap_or(true) {
        out.push_str(rest);
    }
    out
}

fn decide(tag: &str, values: &BTreeMap<&str, String>, wanted: &mut Vec<bool>) {
    let words: Vec<_> = tag.split_whitespace().collect();
    let around = |wanted: &[bool], depth: usize| {
        wanted
            .len()
            .checked_sub(depth)
            .and_then(|at| wanted.get(at))
            .copied()
            .unwrap_or(true)
    };
    let is_set = |name: &str| {
        values
            .get(name)
            .is_some_and(|value| !matches!(value.as_str(), "" | "false" | "None" | "null"))
    };
    match words.as_slice() {
        ["if", "not", name] => wanted.push(around(wanted, 1) && !is_set(name)),
        ["if", name] => wanted.push(around(wanted, 1) && is_set(name)),
        ["else"] if wanted.len() > 1 => {
            let outer = around(wanted, 2);
            if let Some(last) = wanted.last_mut() {
                *last = outer && !*last;
            }
        }
        ["endif"] if wanted.len() > 1 => drop(wanted.pop()),
        _ => {}
    }
}

fn value(tag: &str, values: &BTreeMap<&str, String>, out: &mut String) {
    let (name, filter) = tag
        .split_once('|')
        .map_or((tag, ""), |(name, filter)| (name.trim(), filter.trim()));
    let Some(value) = values.get(name) else { return };
    if filter == "safe" {
        out.push_str(value);
        return;
    }
    for sign in value.chars() {
        match sign {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            plain => out.push(plain),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values() -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("link", "a?b=<'c'>".to_owned()),
            ("json", "{\"a\":\"<b>\"}".to_owned()),
            ("empty", String::new()),
        ])
    }

    #[test]
    fn pages_are_filled_in() {
        for (page, filled) in [
            ("x {{ link }} y", "x a?b=&lt;&#39;c&#39;&gt; y"),
            ("{{json|safe}}{{ json | safe }}", "{\"a\":\"<b>\"}{\"a\":\"<b>\"}"),
            ("{{ nobody }}.", "."),
            ("{% if link %}yes{% else %}no{% endif %}", "yes"),
            (
                "{% if empty %}yes{% if link %}!{% else %}?{% endif %}{% else %}no{% endif %}",
                "no",
            ),
            ("{% if not nobody %}yes{% endif %}.", "yes."),
            ("function () { return {}; }", "function () { return {}; }"),
            ("{{ unclosed", "{{ unclosed"),
            ("{% endif %}{% else %}x", "x"),
        ] {
            assert_eq!(render(page, &values()), filled, "{page}");
        }
    }

    proptest! {
        #[test]
        fn any_page_is_filled_in_without_harm(page in "([{}%| a-z]|if |else|endif|link|é){0,40}") {
            drop(render(&page, &values()));
        }
    }
}
