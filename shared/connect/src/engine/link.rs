//! The header `Link` (RFC 8288): where the next page is.

use reqwest::header::{HeaderMap, LINK};

/// The target of the first link with `rel="next"`, as it was written.
pub(super) fn next_link(headers: &HeaderMap) -> Option<String> {
    headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok()).find_map(next_in)
}

fn next_in(value: &str) -> Option<String> {
    let mut rest = value;
    while let Some((_, after)) = rest.split_once('<') {
        let (target, parameters) = after.split_once('>')?;
        let (parameters, further) = parameters.split_at_checked(end_at(parameters, ','))?;
        if is_next(parameters) {
            return Some(target.trim().to_owned());
        }
        rest = further;
    }
    None
}

/// Where a text comes to a character that stands in no quotes; its length if it does not.
fn end_at(text: &str, end: char) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    for (index, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if character == end && !quoted => return index,
            _ => {}
        }
    }
    text.len()
}

fn is_next(parameters: &str) -> bool {
    let (mut rest, mut rel) = (parameters, None);
    while let Some((parameter, further)) = rest.split_at_checked(end_at(rest, ';')) {
        if let Some((name, value)) = parameter.split_once('=') {
            match name.trim().to_ascii_lowercase().as_str() {
                // Only the first one counts (section 3.3).
                "rel" => rel = rel.or(Some(value)),
                // A link of something else than this page.
                "anchor" => return false,
                _ => {}
            }
        }
        let Some(after) = further.strip_prefix(';') else { break };
        rest = after;
    }
    let names = |value: &str| {
        value.trim().trim_matches('"').split_ascii_whitespace().any(|rel| rel.eq_ignore_ascii_case("next"))
    };
    rel.is_some_and(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use reqwest::header::HeaderValue;

    fn next(values: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(LINK, HeaderValue::from_str(value).unwrap());
        }
        next_link(&headers)
    }

    #[test]
    fn the_next_link_is_found_among_others() {
        for values in [
            &[r#"</x?page=2>; rel="next""#][..],
            &["</x?page=2>; rel=next"],
            &[r#"</x?page=2>;title="a, b; c";REL="prefetch NEXT""#],
            &[r#"</first>; rel="first", </x?page=2>; rel="next", </last>; rel="last""#],
            &[r#"</first>; rel="first""#, r#"</x?page=2>; rel="next""#],
            &[r#"</a,b>; rel="prev"; title="say \"next\", please", </x?page=2>; rel="next""#],
        ] {
            assert_eq!(next(values).as_deref(), Some("/x?page=2"), "{values:?}");
        }
    }

    #[test]
    fn what_is_no_next_link_is_none() {
        for value in [
            "",
            "garbage",
            "<",
            "</x",
            "</x>",
            "</x>; rel",
            r#"</x>; rel="prev""#,
            r#"</x>; rel="nextish""#,
            r#"</x>; anchor="/other"; rel="next""#,
            r#"</x>; title="a; rel=next""#,
            r#"</x>; rel="prev"; rel="next""#,
        ] {
            assert_eq!(next(&[value]), None, "{value}");
        }
    }

    proptest! {
        #[test]
        fn any_header_is_read_or_none(value in "[ -~]{0,80}") {
            let _ = next(&[value.as_str()]);
        }
    }
}
