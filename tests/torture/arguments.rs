//! What the command line and the environment ask for.

/// The command line, read as the usual test harness reads it.
#[derive(Debug, Default)]
pub struct Arguments {
    pub list: bool,
    /// How many scenes run at one time.
    pub jobs: Option<usize>,
    ignored: bool,
    exact: bool,
    filters: Vec<String>,
    skipped: Vec<String>,
}

impl Arguments {
    /// Flags that only the usual harness knows are taken and mean nothing.
    pub fn read(words: impl Iterator<Item = String>) -> Self {
        let mut read = Self::default();
        let mut words = words.flat_map(|word| match word.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => vec![flag.to_owned(), value.to_owned()],
            _ => vec![word],
        });
        while let Some(word) = words.next() {
            match word.as_str() {
                "--list" => read.list = true,
                "--ignored" => read.ignored = true,
                "--exact" => read.exact = true,
                "--test-threads" => read.jobs = words.next().and_then(|text| text.parse().ok()),
                "--skip" => read.skipped.extend(words.next()),
                "--format" | "--color" | "--logfile" | "--shuffle-seed" | "-Z" => drop(words.next()),
                flag if flag.starts_with('-') => {}
                _ => read.filters.push(word),
            }
        }
        read
    }

    /// Whether the scene of this name is to run. None of them is an ignored test.
    pub fn wants(&self, name: &str) -> bool {
        let hit =
            |words: &[String]| words.iter().any(|word| if self.exact { name == word } else { name.contains(word) });
        !self.ignored && (self.filters.is_empty() || hit(&self.filters)) && !hit(&self.skipped)
    }
}

/// The environment.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Many rounds and long faults.
    pub long: bool,
    /// How many rounds, instead of what the form says.
    pub rounds: Option<usize>,
    pub seed: u64,
    /// What cannot be run is a failure.
    pub all: bool,
    /// What happened is told also of scenes that pass.
    pub told: bool,
}

impl Settings {
    pub fn read() -> Self {
        let text = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        let number = |name: &str| {
            text(name).map(|text| text.parse::<u64>().unwrap_or_else(|_| panic!("{name}={text} is no number")))
        };
        Self {
            long: match text("SKY_TORTURE").as_deref() {
                None | Some("short") => false,
                Some("long") => true,
                Some(other) => panic!("SKY_TORTURE={other} is neither short nor long"),
            },
            rounds: number("SKY_ROUNDS").map(|rounds| rounds.max(1) as usize),
            seed: number("SKY_SEED").unwrap_or(1),
            all: text("SKY_TORTURE_ALL").is_some_and(|text| text != "0"),
            told: text("SKY_LOG").is_some_and(|text| text != "0"),
        }
    }
}
