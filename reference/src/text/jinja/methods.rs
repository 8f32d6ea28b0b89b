//! Methods of texts, lists and maps. Those that change a value are not there, as in transformers' sandbox.

use std::rc::Rc;

use super::{
    arguments::Arguments,
    meter::{Buffer, Meter, Text},
    print,
    value::{List, Map, Value},
    wrong,
};
use crate::error::Result;

/// Calls a method; nothing when values of this kind have none of this name.
pub(super) fn apply(
    meter: &Rc<Meter>,
    object: &Value,
    name: &str,
    arguments: &Arguments,
) -> Result<Option<Value>> {
    match object {
        Value::Text(text) => of_text(meter, text, name, arguments),
        Value::List(list) => of_list(meter, list, name, arguments),
        Value::Map(map) => of_map(meter, map, name, arguments),
        Value::Loop(state) if name == "cycle" => match arguments.positional.len() {
            0 => Err(wrong("values to cycle through", "none")),
            len => Ok(Some(arguments.positional[state.index.get() % len].clone())),
        },
        _ => Ok(None),
    }
}

/// How many times longer a text can get when its case changes.
pub(super) const CASED: usize = 3;
/// What a part of a text takes while it is divided; a list grows by doubling.
const PART: usize = 2 * size_of::<&str>();

/// Python's white space has four separators more than Unicode's.
pub(super) fn is_space(char: char) -> bool {
    char.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&char)
}

/// Where a strip goes on: at white space, or at any of these characters.
fn stripped(chars: Option<&str>) -> impl Fn(char) -> bool + Copy + '_ {
    move |char| chars.map_or_else(|| is_space(char), |chars| chars.contains(char))
}

pub(super) fn strip<'a>(text: &'a str, chars: Option<&str>) -> &'a str {
    text.trim_matches(stripped(chars))
}

pub(super) fn capitalize(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars.as_str().to_lowercase().chars()).collect()
    })
}

fn of_text(meter: &Rc<Meter>, text: &Text, name: &str, arguments: &Arguments) -> Result<Option<Value>> {
    meter.look(text)?;
    let chars = || arguments.text(0, "chars");
    let new = |text: &str| Value::text(meter, text);
    let all = |check: fn(char) -> bool| Value::Bool(!text.is_empty() && text.chars().all(check));
    let cased = |text: &str| text.chars().any(|char| char.is_lowercase() || char.is_uppercase());
    Ok(Some(match name {
        "strip" => new(strip(text, chars()?))?,
        "lstrip" => new(text.trim_start_matches(stripped(chars()?)))?,
        "rstrip" => new(text.trim_end_matches(stripped(chars()?)))?,
        "upper" | "lower" | "casefold" | "capitalize" | "title" => {
            meter.reserve(CASED * text.len())?;
            new(&match name {
                "upper" => text.to_uppercase(),
                "capitalize" => capitalize(text),
                "title" => title(text),
                _ => text.to_lowercase(),
            })?
        }
        "startswith" => Value::Bool(affix(arguments, |part| text.starts_with(part))?),
        "endswith" => Value::Bool(affix(arguments, |part| text.ends_with(part))?),
        "removeprefix" => new(text.strip_prefix(arguments.need_text(0, "prefix")?).unwrap_or(text))?,
        "removesuffix" => new(text.strip_suffix(arguments.need_text(0, "suffix")?).unwrap_or(text))?,
        "replace" => {
            let count = arguments.int(2, "count")?;
            replace(meter, text, arguments.need_text(0, "old")?, arguments.need_text(1, "new")?, count)?
        }
        "split" | "rsplit" => {
            let parts = split(meter, text, arguments, name == "rsplit")?;
            texts(meter, &parts)?
        }
        "splitlines" => texts(meter, &lines(meter, text, arguments.flag(0, "keepends"))?)?,
        "partition" | "rpartition" => {
            let separator = arguments.need_text(0, "sep")?;
            let parts = match name {
                "partition" => {
                    text.split_once(separator).map(|(a, b)| [a, separator, b]).unwrap_or([text, "", ""])
                }
                _ => text.rsplit_once(separator).map(|(a, b)| [a, separator, b]).unwrap_or(["", "", text]),
            };
            texts(meter, &parts)?
        }
        "join" => {
            let parts = arguments.need(0, "iterable")?.iterate(meter)?;
            if let Some(other) = parts.items().iter().find(|part| part.as_text().is_none()) {
                return Err(wrong("texts to join", other.kind()));
            }
            join(meter, parts.items(), text)?
        }
        "find" | "rfind" | "index" => {
            let part = arguments.need_text(0, "sub")?;
            let at = if name == "rfind" { text.rfind(part) } else { text.find(part) };
            match at {
                Some(at) => Value::count(text[..at].chars().count()),
                None if name == "index" => return Err(wrong("a part of the text", "none")),
                None => Value::Int(-1),
            }
        }
        "count" => match arguments.need_text(0, "sub")? {
            "" => Value::count(text.chars().count() + 1),
            part => Value::count(text.matches(part).count()),
        },
        "isspace" => all(is_space),
        "isalpha" => all(char::is_alphabetic),
        "isalnum" => all(char::is_alphanumeric),
        "isdigit" | "isnumeric" | "isdecimal" => all(char::is_numeric),
        "isascii" => Value::Bool(text.is_ascii()),
        "islower" => Value::Bool(cased(text) && !text.chars().any(char::is_uppercase)),
        "isupper" => Value::Bool(cased(text) && !text.chars().any(char::is_lowercase)),
        "format" => format(meter, text, arguments)?,
        _ => return Ok(None),
    }))
}

fn affix(arguments: &Arguments, check: impl Fn(&str) -> bool) -> Result<bool> {
    match arguments.need(0, "prefix")? {
        Value::Text(part) => Ok(check(part)),
        Value::List(list) => Ok(list.items().iter().any(|part| part.as_text().is_some_and(&check))),
        other => Err(wrong("a str or several", other.kind())),
    }
}

pub(super) fn replace(
    meter: &Rc<Meter>,
    text: &str,
    old: &str,
    new: &str,
    count: Option<i64>,
) -> Result<Value> {
    let count = count.and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX);
    let mut out = Buffer::new(meter);
    let mut end = 0;
    for (at, part) in text.match_indices(old).take(count) {
        out.push(&text[end..at])?;
        out.push(new)?;
        end = at + part.len();
    }
    out.push(&text[end..])?;
    out.into_text().map(Value::Text)
}

pub(super) fn join(meter: &Rc<Meter>, parts: &[Value], separator: &str) -> Result<Value> {
    meter.spend(parts.len())?;
    let mut out = Buffer::new(meter);
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            out.push(separator)?;
        }
        print::write(&mut out, part)?;
    }
    out.into_text().map(Value::Text)
}

fn texts(meter: &Rc<Meter>, parts: &[&str]) -> Result<Value> {
    let parts = parts.iter().map(|part| Value::text(meter, part)).collect::<Result<_>>()?;
    Value::list(meter, parts)
}

fn split<'a>(
    meter: &Rc<Meter>,
    text: &'a str,
    arguments: &Arguments,
    from_right: bool,
) -> Result<Vec<&'a str>> {
    let most =
        arguments.int(1, "maxsplit")?.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
    if let Some(separator) = arguments.text(0, "sep")? {
        if separator.is_empty() {
            return Err(wrong("a separator", "an empty one"));
        }
        let most = most.saturating_add(1);
        meter.reserve(PART * text.matches(separator).count())?;
        let mut parts: Vec<&str> = if from_right {
            text.rsplitn(most, separator).collect()
        } else {
            text.splitn(most, separator).collect()
        };
        if from_right {
            parts.reverse();
        }
        return Ok(parts);
    }
    meter.reserve(PART * text.matches(is_space).count())?;
    let mut parts = Vec::new();
    // What is left over at the end keeps the white space on its other side.
    let mut rest =
        if from_right { text.trim_end_matches(is_space) } else { text.trim_start_matches(is_space) };
    while !rest.is_empty() {
        let cut = if from_right { rest.rfind(is_space) } else { rest.find(is_space) };
        let Some(cut) = cut.filter(|_| parts.len() < most) else {
            parts.push(rest);
            break;
        };
        let (part, others) = if from_right {
            let part = rest[cut..].trim_start_matches(is_space);
            (part, rest[..cut].trim_end_matches(is_space))
        } else {
            (&rest[..cut], rest[cut..].trim_start_matches(is_space))
        };
        parts.push(part);
        rest = others;
    }
    if from_right {
        parts.reverse();
    }
    Ok(parts)
}

/// Lines, by every character that Python takes for an end.
pub(super) fn lines<'a>(meter: &Rc<Meter>, text: &'a str, keep: bool) -> Result<Vec<&'a str>> {
    let ends = |char| {
        matches!(
            char,
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
        )
    };
    meter.reserve(PART * text.matches(ends).count())?;
    let (mut lines, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let (line, end) = match rest.find(ends) {
            Some(at) if rest[at..].starts_with("\r\n") => (at, at + 2),
            Some(at) => (at, at + rest[at..].chars().next().map_or(0, char::len_utf8)),
            None => (rest.len(), rest.len()),
        };
        lines.push(&rest[..if keep { end } else { line }]);
        rest = &rest[end..];
    }
    Ok(lines)
}

/// The first letter of every run of letters is large.
fn title(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut inside = false;
    for char in text.chars() {
        if inside {
            result.extend(char.to_lowercase());
        } else {
            result.extend(char.to_uppercase());
        }
        inside = char.is_alphabetic();
    }
    result
}

/// `str.format` with plain fields: `{}`, `{0}`, `{name}`.
fn format(meter: &Rc<Meter>, text: &str, arguments: &Arguments) -> Result<Value> {
    let mut out = Buffer::new(meter);
    let (mut rest, mut next) = (text, 0);
    while let Some(at) = rest.find(['{', '}']) {
        out.push(&rest[..at])?;
        let doubled = rest[at..].starts_with("{{") || rest[at..].starts_with("}}");
        if doubled {
            out.push(&rest[at..=at])?;
            rest = &rest[at + 2..];
            continue;
        }
        let Some(end) = rest[at..].find('}').filter(|_| rest[at..].starts_with('{')) else {
            return Err(wrong("pairs of braces", "a single one"));
        };
        let field = &rest[at + 1..at + end];
        let place = if field.is_empty() { Some(next) } else { field.parse().ok() };
        next += usize::from(field.is_empty());
        let value = match place {
            Some(place) => arguments.positional.get(place),
            None => arguments.named.iter().find(|(name, _)| name == field).map(|(_, value)| value),
        };
        print::write(&mut out, value.ok_or_else(|| wrong("a field that is given", field))?)?;
        rest = &rest[at + end + 1..];
    }
    out.push(rest)?;
    out.into_text().map(Value::Text)
}

fn of_list(meter: &Rc<Meter>, list: &List, name: &str, arguments: &Arguments) -> Result<Option<Value>> {
    let mut found = Vec::new();
    if !matches!(name, "index" | "count") {
        return Ok(None);
    }
    let wanted = arguments.need(0, "value")?;
    for (at, item) in list.items().iter().enumerate() {
        if item.equals(wanted, meter)? {
            found.push(at);
        }
    }
    match (name, found.first()) {
        ("count", _) => Ok(Some(Value::count(found.len()))),
        (_, Some(at)) => Ok(Some(Value::count(*at))),
        (_, None) => Err(wrong("a value in the list", "none")),
    }
}

fn of_map(meter: &Rc<Meter>, map: &Map, name: &str, arguments: &Arguments) -> Result<Option<Value>> {
    let entries = || map.entries().iter();
    Ok(Some(match name {
        "keys" => Value::list(meter, entries().map(|(key, _)| key.clone()).collect())?,
        "values" => Value::list(meter, entries().map(|(_, value)| value.clone()).collect())?,
        "items" => items(meter, map)?,
        "copy" => Value::Map(map.clone()),
        "get" => match map.find(arguments.need(0, "key")?)? {
            Some(value) => value.clone(),
            None => arguments.get(1, "default").cloned().unwrap_or(Value::None),
        },
        _ => return Ok(None),
    }))
}

/// Pairs of key and value.
pub(super) fn items(meter: &Rc<Meter>, map: &Map) -> Result<Value> {
    let pair = |(key, value): &(Value, Value)| Value::tuple(meter, vec![key.clone(), value.clone()]);
    let pairs = map.entries().iter().map(pair).collect::<Result<_>>()?;
    Value::list(meter, pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_as_in_python() {
        let lines = |text, keep| lines(&Meter::new(), text, keep).unwrap().join("|");
        assert_eq!(lines("a\r\nb\n\nc", false), "a|b||c");
        assert_eq!(lines("a\u{2028}b\n", true), "a\u{2028}|b\n");
        assert_eq!(lines("", false), "");
        assert_eq!(title("it's a 2nd-rate"), "It'S A 2Nd-Rate");
        assert_eq!(capitalize("éCOLE"), "École");
        assert_eq!(strip("\u{1f} a \u{3000}", None), "a");
    }
}
