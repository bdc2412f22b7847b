//! What a giver has, and the ways in which it gives something else.

use skynode::id::{Arc, Id, STRETCHES};
use skynode::limits::{ITEMS_MAX, PART_SIZE, TERM_MAX, VALUE_MAX};
use skynode::store::{Content, Store};
use skynode::wire::{Body, Entry, Hash, Holding, Item, OperationLog, Rank, Refusal, Version};
use std::sync::OnceLock;

/// More than one list can name.
pub const GOODS: u8 = 24;

/// Lengths of their values: from nothing to the longest, and either side of what one datagram or one part holds.
const LENGTHS: [usize; 8] = [0, 9, 600, 1300, PART_SIZE + 600, 5000, 70_000, VALUE_MAX];

/// Bytes that are no part of any value.
static OTHERS: [u8; PART_SIZE + 1] = [0xee; PART_SIZE + 1];

/// The name of one.
pub fn key(number: u8) -> Vec<u8> {
    format!("key {}", number % GOODS).into_bytes()
}

/// All of them: made once, as to hash the longest takes its time.
pub fn goods() -> &'static Store {
    static ALL: OnceLock<Store> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut store = Store::default();
        for number in 0..GOODS {
            let length = LENGTHS[usize::from(number) % LENGTHS.len()];
            let bytes: Vec<u8> = (0..length).map(|at| (at / 7) as u8 ^ number).collect();
            let version = Version { term: 1, time_ms: 1000 + u64::from(number), writer: 7 };
            let content = (number % 11 != 10).then(|| Content::new(bytes, b"text/plain", 0));
            let written = store.write(&key(number), Rank::of_write(version), OperationLog::default(), content);
            assert_eq!(written, Ok(true));
        }
        store
    })
}

/// One of them as a list names it.
pub fn item(number: u8) -> Item {
    let stored = goods().get(&key(number)).expect("each is there");
    Item { id: Id::of_key(&key(number)), rank: stored.rank }
}

fn items(arc: Arc) -> impl Iterator<Item = Item> {
    goods().range(arc).map(|(id, _, stored)| Item { id, rank: stored.rank })
}

/// A byte of the input as a manner: 0 is honest.
const fn split(manner: u8, ways: u8) -> (u8, u8) {
    (manner % ways, manner / ways)
}

/// What it says to hold of an arc; `None` if it says something else, or nothing.
pub fn holding(arc: Arc, digest: u64, manner: u8) -> Option<Holding> {
    let whole = Arc::new(arc.upto, arc.upto);
    let (way, how) = split(manner, 10);
    let wrong = |parts: u8| Holding::parts((0..parts).map(|part| [part ^ how; 8]));
    Some(match way {
        0 => {
            let sums = goods().sums(arc);
            match () {
                () if sums.total() == digest => Holding::Same,
                () if sums.count() <= ITEMS_MAX => Holding::items(items(arc)),
                () => Holding::parts(sums.stretches(STRETCHES).map(u64::to_be_bytes)),
            }
        }
        1 => Holding::Same,
        // Each twice.
        2 => Holding::items(items(arc).flat_map(|item| [item, item])),
        // The same entry under different ranks.
        3 => {
            let ranks = (0..3).map(|more| Version { term: 1, time_ms: 5000 + more, writer: 7 });
            let under = |item: Item| ranks.clone().map(move |version| Item { rank: Rank::of_write(version), ..item });
            Holding::items(items(arc).flat_map(under))
        }
        // Beyond the arc too.
        4 => Holding::items(items(whole).skip(how.into())),
        // What nobody has, under ranks beyond all bounds.
        5 => {
            let version = Version { term: u64::MAX, time_ms: u64::MAX, writer: 0 };
            let rank = Rank { version, ballot: u64::MAX - u64::from(how), chosen: true };
            Holding::items((1..=ITEMS_MAX).map(|at| Item { id: arc.after.plus(at as u128), rank }))
        }
        // Sums that never match.
        6 => wrong(STRETCHES as u8),
        7 => wrong(2),
        8 => wrong(how),
        _ => return None,
    })
}

/// The entry that it gives for one that is asked for; `None` if it says something else, or nothing.
pub fn entry(item: Item, manner: u8) -> Option<Entry<'static>> {
    let (way, how) = split(manner, 14);
    let other = || {
        let (_, key, _) = goods().range(Arc::new(item.id, item.id)).nth(how.into())?;
        goods().fetch_key(key)
    };
    let mut entry = goods().fetch(item).or_else(other)?;
    let length = |entry: &mut Entry<'static>, length, first: &'static [u8]| {
        if let Some(value) = &mut entry.value {
            value.body = Body { length, hash: [how; 32], first };
        }
    };
    match way {
        0 => {}
        1 => {
            if let Some(value) = &mut entry.value {
                value.body.hash = [how; 32];
            }
        }
        2 => length(&mut entry, u32::MAX - u32::from(how), &OTHERS[..9]),
        3 => length(&mut entry, VALUE_MAX as u32 + 1, &OTHERS[..9]),
        4 => length(&mut entry, 5, &OTHERS[..9]),
        5 => length(&mut entry, VALUE_MAX as u32, &[]),
        6 => length(&mut entry, 9 + u32::from(how), &OTHERS[..9]),
        7 => entry = other()?,
        8 => entry.rank.version.time_ms -= 1000,
        9 => entry.rank = Rank { ballot: TERM_MAX, chosen: true, ..entry.rank },
        10 => entry.rank.version.time_ms += u64::from(how),
        11 => entry.rank.ballot = u64::MAX,
        12 => entry.value = None,
        _ => return None,
    }
    Some(entry)
}

/// The bytes that it gives at an offset of a value of this length; `None` if it says something else, or nothing.
pub fn part(id: Id, hash: &Hash, offset: usize, length: usize, manner: u8) -> Option<&'static [u8]> {
    let (way, how) = split(manner, 8);
    let bytes = goods().content(id, hash).map_or(&[][..], Content::bytes);
    let end = length.min(offset.saturating_add(PART_SIZE));
    let right = bytes.get(offset..end).unwrap_or(&OTHERS[..end.saturating_sub(offset)]);
    Some(match way {
        0 => right,
        1 => right.get(1..)?,
        2 => &OTHERS[..=right.len()],
        3 => &[],
        4 => &OTHERS[..right.len()],
        // From elsewhere in the value.
        5 => bytes.get(usize::from(how)..usize::from(how) + right.len()).unwrap_or(right),
        6 if how == 0 => right.get(..right.len() / 2)?,
        _ => return None,
    })
}

/// What it says instead; `None` if nothing.
pub fn refusal(manner: u8) -> Option<Refusal> {
    let stale = Refusal::Stale { term: u64::MAX };
    let all = [Refusal::NotFound, Refusal::Busy, Refusal::NotMember, Refusal::Unproven, stale, Refusal::Leaving];
    all.get(usize::from(manner / 14 % 8)).copied()
}
