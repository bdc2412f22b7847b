//! Patterns of JSON Schema (ECMA-262), as far as the description uses them. What else one has fails the test.

/// A part of a pattern.
#[derive(Debug)]
pub enum Part {
    /// A character between these two, of a list.
    Class(Vec<(char, char)>),
    /// All of these, one behind another.
    Row(Vec<Part>),
    /// One of these.
    Choice(Vec<Part>),
    /// So often at least, and so often at most.
    Repeat(Box<Part>, usize, usize),
}

/// True if the whole text fits the pattern.
pub fn matches(pattern: &str, text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    read(pattern).fits(&text, &mut |rest| rest.is_empty())
}

/// Reads a pattern that holds from beginning to end.
pub fn read(pattern: &str) -> Part {
    let inner = pattern.strip_prefix('^').and_then(|rest| rest.strip_suffix('$')).expect("from beginning to end");
    let mut rest = inner.chars().peekable();
    let part = choice(&mut rest);
    assert_eq!(rest.next(), None, "{pattern} is not known here");
    part
}

type Rest<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn choice(rest: &mut Rest<'_>) -> Part {
    let mut parts = vec![row(rest)];
    while rest.next_if_eq(&'|').is_some() {
        parts.push(row(rest));
    }
    Part::Choice(parts)
}

fn row(rest: &mut Rest<'_>) -> Part {
    let mut parts = Vec::new();
    while let Some(first) = rest.next_if(|next| !"|)".contains(*next)) {
        let part = match first {
            '(' => {
                let inner = choice(rest);
                assert_eq!(rest.next(), Some(')'));
                inner
            }
            '[' => class(rest),
            '\\' => one(escaped(rest)),
            _ => {
                assert!(first.is_alphanumeric() || "\"-:/,".contains(first), "{first} is not known here");
                one(first)
            }
        };
        parts.push(repeated(part, rest));
    }
    Part::Row(parts)
}

fn one(char: char) -> Part {
    Part::Class(vec![(char, char)])
}

fn escaped(rest: &mut Rest<'_>) -> char {
    match rest.next().expect("a character") {
        't' => '\t',
        plain => {
            assert!(plain.is_ascii_punctuation(), "\\{plain} is not known here");
            plain
        }
    }
}

fn class(rest: &mut Rest<'_>) -> Part {
    let mut list = Vec::new();
    let char = |rest: &mut Rest<'_>, first| if first == '\\' { escaped(rest) } else { first };
    loop {
        let first = match rest.next().expect("the end of a class") {
            ']' => return Part::Class(list),
            first => char(rest, first),
        };
        let last = rest.next_if_eq(&'-').map(|_| {
            let last = rest.next().expect("the end of a range");
            char(rest, last)
        });
        list.push((first, last.unwrap_or(first)));
    }
}

fn repeated(part: Part, rest: &mut Rest<'_>) -> Part {
    let (least, most) = match rest.next_if(|next| "?*+{".contains(*next)) {
        None => return part,
        Some('?') => (0, 1),
        Some('*') => (0, usize::MAX),
        Some('+') => (1, usize::MAX),
        Some(_) => {
            let numbers: String = rest.by_ref().take_while(|next| *next != '}').collect();
            let (least, most) = numbers.split_once(',').unwrap_or((&numbers, &numbers));
            (least.parse().expect("a number"), most.parse().expect("a number"))
        }
    };
    Part::Repeat(Box::new(part), least, most)
}

impl Part {
    /// True if it fits the beginning of the text in a way that `then` takes the rest.
    fn fits(&self, text: &[char], then: &mut dyn FnMut(&[char]) -> bool) -> bool {
        match self {
            Self::Class(list) => match text.split_first() {
                Some((first, rest)) => list.iter().any(|(from, to)| (from..=to).contains(&first)) && then(rest),
                None => false,
            },
            Self::Row(parts) => match parts.split_first() {
                Some((first, others)) => first.fits(text, &mut |rest| row_fits(others, rest, then)),
                None => then(text),
            },
            Self::Choice(parts) => parts.iter().any(|part| part.fits(text, then)),
            Self::Repeat(part, least, most) => repeat_fits(part, *least, *most, text, then),
        }
    }
}

fn row_fits(parts: &[Part], text: &[char], then: &mut dyn FnMut(&[char]) -> bool) -> bool {
    match parts.split_first() {
        Some((first, others)) => first.fits(text, &mut |rest| row_fits(others, rest, then)),
        None => then(text),
    }
}

fn repeat_fits(part: &Part, least: usize, most: usize, text: &[char], then: &mut dyn FnMut(&[char]) -> bool) -> bool {
    let again = most > 0
        && part.fits(text, &mut |rest| {
            rest.len() < text.len() && repeat_fits(part, least.saturating_sub(1), most - 1, rest, then)
        });
    again || least == 0 && then(text)
}
